"""Tests of a comparison's inputs: the pack of each recipe, and the generation of each training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from api.cli.comparison_inputs import from_packs
from graph.connection import Connection
from graph.errors import InvalidInput, NotFound
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.settings import Settings
from graph.shards import Shards
from tests.graph.linking_data import make_world, write_world
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


# (features, videos held out) of each linking, in the order of writing
LINKINGS = {
    "old": ("context-1", []),
    "hog-1": ("hog", []),
    "hog-2": ("hog", ["0" * 32]),
    "new": ("context-2", []),
}
# (recipe, generation in use, generation that it trains on)
CHOICES = [
    ("transitive", "new", "new"),
    ("transitive", "hog-2", "new"),  # links by HOG are of another kind, though they are in use
    ("transitive", "old", "old"),  # of those that fit, the one in use goes first
    ("transitive-hog", "new", "hog-2"),
    ("transitive-hog", "hog-1", "hog-1"),
]


def test_a_training_takes_links_of_its_kind(connection: Connection) -> None:
    write = written_linkings(connection)
    ids = {name: write(name) for name in LINKINGS}
    assert len(set(ids.values())) == len(LINKINGS)
    for recipe, current, expected in CHOICES:
        assert write(current) == ids[current]  # the same content again: this only makes it current
        assert train.choose_generation(context(connection), get_recipe(recipe)).id == ids[expected]


def test_no_links_of_its_kind_names_the_command(connection: Connection) -> None:
    written_linkings(connection)("hog-1")
    with pytest.raises(NotFound, match="`transitive link`"):
        train.choose_generation(context(connection), get_recipe("tracking"))


def written_linkings(connection: Connection) -> Callable[[str], str]:
    """Write a few patches; return a function that writes their linking under one of the names and returns its id."""
    world = make_world(40, 4, kinds=2)
    write_world(connection, world)
    linking = link(world.features, world.starts, replace(PAPER, parents=2, smallest=2))
    return lambda name: write_generation(connection, linking, *LINKINGS[name])


def context(connection: Connection) -> StageContext:
    return StageContext(Settings(), connection, Shards("memory://nothing"))
