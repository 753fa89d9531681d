"""Tests of shared linking: bit-identical to one process, even if helpers die or are late."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from graph.errors import Cancelled, InvalidInput, NotFound, StorageError
from graph.linking.in_memory import InMemory
from graph.linking.neighbours import nearest
from graph.linking.parameters import LinkParameters
from graph.linking.parts import Run, help_run
from graph.linking.points import NumpyPoints
from graph.linking.run import Linking, link, link_vectors
from graph.linking.spread import Spread
from graph.linking.track_starts import TrackStarts, track_starts_of
from graph.records import no_progress
from graph.shards import Shards
from tests.graph.linking_data import World, make_world
from training.assignment import nearest_on, points_on

PARAMETERS = LinkParameters(parents=7, smallest=8, sample_per_parent=30)
NUMPY, TORCH = (NumpyPoints, nearest), (points_on("cpu"), nearest_on("cpu"))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.linking.track_starts.PART_ROWS", 60)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(600, 23)


@pytest.fixture
def shards(tmp_path: Path, world: World) -> Shards:
    shards = Shards(str(tmp_path / "data"))
    for video in world.videos:
        rows = [row for row, patch in enumerate(world.starts) if patch.video_id == video.id][::-1]
        shards.write_vectors(f"features/net/{video.id}", [world.starts[row].id for row in rows], world.features[rows])
    return shards


@pytest.fixture
def starts(world: World) -> TrackStarts:
    return track_starts_of(world.starts, {world.videos[3].id: world.videos[2].id})[0]


def alone(run: str, kind: str, count: int) -> None:
    """Offer the parts to no helper."""


def spread(
    shards: Shards, starts: TrackStarts, offer: Callable = alone, kind: tuple = NUMPY, progress: Callable = no_progress
) -> Linking:
    run = Run(shards, "run", "net", PARAMETERS.resolve(len(starts)), *kind)
    run.begin()
    vectors = Spread(run, starts, offer, Path(shards.url).parent / "scratch", progress)
    return link_vectors(starts, run.parameters, vectors, run.assign, progress)


def same(one: Linking, two: Linking) -> bool:
    arrays = ("parents", "parent_sizes", "mean", "centroids", "parent_numbers", "groups", "pairs", "distances")
    return (
        one.digest() == two.digest()
        and one.quality == two.quality
        and all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)
    )


@pytest.mark.parametrize("kind", [NUMPY, TORCH], ids=["numpy", "torch"])
def test_from_shards_it_is_the_linking_of_the_matrix(
    shards: Shards, starts: TrackStarts, world: World, kind: tuple
) -> None:
    reencodings = {world.videos[3].id: world.videos[2].id}
    whole = link(world.features, world.starts, PARAMETERS, *kind, reencodings=reencodings)
    assert len(whole.pairs) > 100
    assert len(starts.parts()) > 5
    assert same(spread(shards, starts, kind=kind), whole)


def test_in_parts_of_any_size_the_edges_are_those_of_the_definition(
    shards: Shards, starts: TrackStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = spread(shards, starts)
    for size in (1, 1000):
        Run(shards, "run", "net", PARAMETERS).remove()
        monkeypatch.setattr("graph.linking.track_starts.PART_ROWS", size)
        found = spread(shards, starts)
        assert np.array_equal(found.pairs, expected.pairs)
        assert np.array_equal(found.groups, expected.groups)


@pytest.mark.parametrize("seed", range(4))
def test_helpers_that_are_slow_die_or_double_change_nothing(shards: Shards, starts: TrackStarts, seed: int) -> None:
    expected = spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    done: list[tuple[str, int]] = []
    threads: list[threading.Thread] = []
    random_ = random.Random(seed)

    def helper(run: str, kind: str, numbers: list[int]) -> None:
        for number in numbers:
            if random_.random() < 0.1:
                return  # it died
            if help_run(shards, run, kind, number, *NUMPY):
                done.append((kind, number))

    def offer(run: str, kind: str, count: int) -> None:
        for _ in range(3):  # three machines that receive some messages twice
            numbers = sorted(random_.choices(range(count), k=count))
            threads.append(threading.Thread(target=helper, args=(run, kind, numbers)))
            threads[-1].start()

    found = spread(shards, starts, offer)
    Run(shards, "run", "net", PARAMETERS).remove()
    for thread in threads:
        thread.join()
    assert done
    assert same(found, expected)
    assert shards.folders("linking") == []


def test_a_leader_that_was_killed_is_followed_by_one_that_goes_on(shards: Shards, starts: TrackStarts) -> None:
    expected = spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()

    def killed(stage: str, done: int, total: int, unit: str) -> None:
        if stage == "children" and done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(shards, starts, progress=killed)
    before = {path: path.stat().st_ino for path in Path(shards.url).glob("linking/run/labels/*")}
    assert before
    assert same(spread(shards, starts), expected)
    assert {path: path.stat().st_ino for path in before} == before  # not computed again


def test_a_helper_of_a_run_that_is_over_does_nothing(shards: Shards, starts: TrackStarts) -> None:
    spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    assert not help_run(shards, "run", "assign", 0, *NUMPY)
    assert shards.folders("linking") == []


def test_a_helper_whose_run_ends_while_it_works_leaves_nothing(
    shards: Shards, starts: TrackStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(shards, starts)
    run = Run(shards, "run", "net", PARAMETERS)
    for name in shards.names("linking/run/labels"):
        shards.delete(f"linking/run/labels/{name}")

    def ending(features):
        run.remove()
        shards.write_vectors("linking/run/centroids", ["0"], np.ones((1, 32), np.float32))  # so that it continues
        return NumpyPoints(features)

    assert not help_run(shards, "run", "assign", 0, ending, nearest)
    assert shards.folders("linking") == []


@pytest.mark.parametrize("stage", ["sampling", "parents", "assigning", "children", "quality"])
def test_cancelled_at_any_stage(shards: Shards, starts: TrackStarts, stage: str) -> None:
    def stop(now: str, done: int, total: int, unit: str) -> None:
        if now == stage:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        spread(shards, starts, progress=stop)


def test_broken_features_are_refused_with_the_part_that_is_broken(
    shards: Shards, starts: TrackStarts, world: World
) -> None:
    name = f"features/net/{world.videos[5].id}"
    ids, vectors = shards.read_vectors(name)
    poisoned = vectors.copy()
    poisoned[2, 3] = np.nan
    shards.write_vectors(name, ids, poisoned)
    with pytest.raises(InvalidInput, match=f"patch {ids[2]} contain NaN"):
        spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    shards.write_vectors(name, ids, vectors[:, :16])
    with pytest.raises(InvalidInput, match="features of two models"):
        spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    shards.write_vectors(name, ids[1:], vectors[1:])
    with pytest.raises(StorageError, match=f"lacks patch {ids[0]}"):
        spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    path = Path(shards.path(name))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match="cannot be read"):
        spread(shards, starts)
    Run(shards, "run", "net", PARAMETERS).remove()
    path.unlink()
    with pytest.raises(NotFound, match=f"no features of model net for video {world.videos[5].id}"):
        spread(shards, starts)


def test_a_sample_too_large_for_memory_is_a_file_that_nobody_finds(
    shards: Shards, starts: TrackStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = spread(shards, starts)
    monkeypatch.setattr("graph.linking.features.IN_MEMORY", 0)
    assert same(spread(shards, starts), expected)
    scratch = Path(shards.url).parent / "scratch"
    assert list(scratch.iterdir()) == []


def test_no_parent_is_large_enough(world: World) -> None:
    starts, rows = track_starts_of(world.starts)
    parameters = LinkParameters(parents=7, smallest=700).resolve(len(starts))
    vectors = InMemory(world.features[rows], starts, parameters, *NUMPY, no_progress)
    linking = link_vectors(starts, parameters, vectors, NumpyPoints)
    assert len(linking.parent_sizes) == len(linking.pairs) == 0
