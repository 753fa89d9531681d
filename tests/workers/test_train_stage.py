"""A model trained from a pack on another machine is taken in whole, or not at all."""

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
from training.model_folder import read_card
from workers.stage_context import StageContext
from workers.stages.train import adopt


@pytest.fixture
def context(connection: Connection, home: Path) -> StageContext:
    return StageContext(settings(), connection, Shards(settings().data))


def test_a_model_trained_elsewhere_is_listed_and_loads(context: StageContext, tmp_path: Path) -> None:
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    for _ in range(2):  # a second time changes nothing
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
    with pytest.raises(StorageError, match="cut short"):
        adopt(context, tmp_path / "tracking")
    (tmp_path / "tracking" / "model.json").write_text(json.dumps({"id": "another's"}))
    with pytest.raises(InvalidInput, match="it lacks created_at"):
        adopt(context, tmp_path / "tracking")
    assert models.list_models(context.connection) == []
    assert not context.models.exists()
