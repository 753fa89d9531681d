"""Tests of importing a model that was trained from a pack on another machine: completely or not at all."""

import json
from pathlib import Path

import pytest

from graph import models
from graph.connection import Connection
from graph.errors import InvalidInput, StorageError
from graph.settings import settings
from graph.shards import Shards
from tests.training.small import train_small
from training.encoder import Encoder
from training.model_folder import FILES, read_card
from workers.stage_context import StageContext
from workers.stages.train import adopt


@pytest.fixture
def context(connection: Connection, home: Path) -> StageContext:
    return StageContext(settings(), connection, Shards(settings().data))


def test_a_model_trained_elsewhere_is_listed_and_loads(context: StageContext, tmp_path: Path) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    for _ in range(2):  # a second import changes nothing
        model = adopt(context, tmp_path / "tracking")
        assert models.list_models(context.connection) == [model]
    assert model.id == read_card(tmp_path / "tracking")["id"]
    assert Encoder.load(context.models / model.id, "cpu").model == model


def test_a_model_replaces_the_training_of_it_that_was_interrupted_here(context: StageContext, tmp_path: Path) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    target = context.models / read_card(tmp_path / "tracking")["id"]
    (target / "checkpoints").mkdir(parents=True)
    (target / "model.safetensors").write_bytes(b"a copy that was killed")
    model = adopt(context, tmp_path / "tracking")
    assert Encoder.load(target, "cpu").model == model


def test_half_a_model_leaves_nothing_behind(context: StageContext, tmp_path: Path) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    weights = tmp_path / "tracking" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(StorageError, match="truncated"):
        adopt(context, tmp_path / "tracking")
    (tmp_path / "tracking" / "model.json").write_text(json.dumps({"id": "another's"}))
    with pytest.raises(InvalidInput, match="it lacks created_at"):
        adopt(context, tmp_path / "tracking")
    assert models.list_models(context.connection) == []
    assert not context.models.exists()


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", "", ".hidden", 7, None])
def test_a_card_cannot_name_a_folder_elsewhere(context: StageContext, tmp_path: Path, name: object) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    card = tmp_path / "tracking" / "model.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "id": name}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match="is not a model id"):
        adopt(context, tmp_path / "tracking")
    assert sorted(tmp_path.rglob("*")) == before
    assert models.list_models(context.connection) == []


def test_only_the_files_of_a_model_are_imported_and_no_link(context: StageContext, tmp_path: Path) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    folder = tmp_path / "tracking"
    (folder / "more").mkdir()
    (folder / "more" / "run.sh").write_text("echo")
    (folder / "extra.bin").write_bytes(b"extra")
    model = adopt(context, folder)
    found = {path.relative_to(context.models / model.id).as_posix() for path in (context.models / model.id).rglob("*")}
    assert {"model.json", "model.safetensors"} <= found <= set(FILES)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "log.jsonl").unlink()
    (folder / "log.jsonl").symlink_to(secret)
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "id": "another"}))
    with pytest.raises(InvalidInput, match="is a symbolic link"):
        adopt(context, folder)
    assert not (context.models / "another").exists()
