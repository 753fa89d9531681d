"""Which pack a recipe of a comparison reads, and which generation a training takes."""

from pathlib import Path

import pytest

from api.cli.comparison_inputs import from_packs
from graph.connection import Connection
from graph.errors import InvalidInput, NotFound
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.settings import Settings
from graph.shards import Shards
from tests.training.tiny import BUCKETS, TinySource, bucket
from training.pack import write_pack
from training.recipes import get_recipe
from workers.stage_context import StageContext
from workers.stages import train

KINDS = {"main": ("context", 30), "hog": ("hog", 30), "fifteen": ("context", 15)}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packs")
    for name, (features, length) in KINDS.items():
        source = TinySource(generation=name, feature_model=features, track_length=length)
        write_pack(source, folder / name, bucket, BUCKETS)
    return {name: folder / name for name in KINDS}


def test_each_recipe_reads_the_pack_of_its_kind(packs: dict[str, Path], tmp_path: Path) -> None:
    names = ["scratch", "tracking", "transitive", "transitive-hog", "transitive-15"]
    found = from_packs([packs["hog"], packs["main"], packs["fifteen"]], names, "demo", tmp_path)
    read = {name: source.generation for name, source in found.sources.items()}
    assert read.pop("scratch") == "hog"  # any will do: it trains on nothing
    assert read == {
        "tracking": "main",
        "transitive": "main",
        "transitive-hog": "hog",
        "transitive-15": "fifteen",
    }
    assert found.main.generation == "main"


def test_a_recipe_without_its_kind_is_left_out_and_says_why(
    packs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = from_packs([packs["main"]], ["transitive", "transitive-hog", "transitive-15"], "demo", tmp_path)
    assert list(found.sources) == ["transitive"]
    said = capsys.readouterr().err
    assert "transitive-hog is left out" in said
    assert "ingest --track-length 15" in said
    with pytest.raises(InvalidInput, match="--initial"):
        from_packs([packs["main"]], ["transitive"], "demo", None)


def generation(name: str, features: str) -> Generation:
    return Generation(name, features, "", 0, 0, 0, 0, 0, 30)


@pytest.mark.parametrize(
    ("recipe", "current", "expected"),
    [
        ("transitive", "new", "new"),
        ("transitive", "hog2", "new"),  # HOG links are not what it is about, though they are in use
        ("transitive", "old", "old"),  # what is in use goes first
        ("transitive-hog", "new", "hog2"),
        ("transitive-hog", "hog1", "hog1"),
    ],
)
def test_a_training_takes_links_of_its_kind(
    recipe: str, current: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [
        generation(name, "hog" if name.startswith("hog") else "context") for name in ("old", "hog1", "hog2", "new")
    ]
    in_use = next(one for one in known if one.id == current)
    monkeypatch.setattr(catalogue, "list_generations", lambda connection: known)
    monkeypatch.setattr(catalogue, "require_generation", lambda connection: in_use)
    assert train.choose_generation(context(), get_recipe(recipe)).id == expected


def test_no_links_of_its_kind_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    only = generation("only", "hog")
    monkeypatch.setattr(catalogue, "list_generations", lambda connection: [only])
    monkeypatch.setattr(catalogue, "require_generation", lambda connection: only)
    with pytest.raises(NotFound, match="`transitive link`"):
        train.choose_generation(context(), get_recipe("tracking"))


def context() -> StageContext:
    nobody: Connection = None  # type: ignore[assignment]
    return StageContext(Settings(), nobody, Shards("memory://nothing"))
