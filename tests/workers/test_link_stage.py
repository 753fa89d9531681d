"""The linking stage on real servers: twice, too late, broken, killed in the middle; and new videos that join."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.centroids import read_centroids
from graph.connection import Connection
from graph.errors import Cancelled, Conflict, InvalidInput, NotFound, StorageError
from graph.generations import (
    LINKING,
    current_generation,
    delete_generation,
    get_generation,
    list_generations,
    staleness,
)
from graph.linking.children import children, pairs_of
from graph.linking.neighbours import nearest
from graph.linking.points import NumpyPoints
from graph.linking.run import link as link_matrix
from graph.linking.starts import starts_of
from graph.lock import exclusive
from graph.records import Patch, no_progress
from graph.settings import settings
from graph.shards import Shards
from graph.videos import delete_video
from tests.graph.linking_data import World, make_world, write_world
from workers.stages.features import prepare_link
from workers.stages.link import link, link_parameters
from workers.workplace import Workplace

ARGUMENTS: dict[str, Any] = {"features": "net", "parents": 5, "smallest": 8}
GRAPH = """
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
RETURN e.generation AS generation, a.id AS a, b.id AS b, e.distance AS distance
"""
MEMBERS = (
    "MATCH (p:Patch)-[:IN_PARENT]->(c:ParentCluster {generation: $generation}) RETURN p.id AS patch, c.id AS parent"
)
GROUPS = """
MATCH (p:Patch)-[:IN_CHILD]->(c:ChildCluster {generation: $generation})
RETURN c.id AS child, collect(p.id) AS patches
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.linking.starts.PART_ROWS", 60)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(400, 11)


@pytest.fixture
def place(connection: Connection, home: Path) -> Workplace:
    return Workplace(settings(), connection, Shards(settings().data))


@pytest.fixture
def linked_videos(place: Workplace, world: World) -> Workplace:
    add(place, world)
    return place


def add(place: Workplace, world: World, videos: slice = slice(None)) -> None:
    """Put some videos of a world into the graph, with their features."""
    chosen = {video.id for video in world.videos[videos]}
    inside = [row for row, patch in enumerate(world.starts) if patch.video_id in chosen]
    part = World(
        [video for video in world.videos if video.id in chosen],
        [world.starts[row] for row in inside],
        [patch for patch in world.ends if patch.video_id in chosen],
        [track for track in world.tracks if track.start_id in {world.starts[row].id for row in inside}],
        world.features[inside],
    )
    write_world(place.connection, part)
    for video in part.videos:
        rows = [row for row in inside if world.starts[row].video_id == video.id]
        place.shards.write_vectors(f"features/net/{video.id}", [world.starts[r].id for r in rows], world.features[rows])


def edges(connection: Connection, generation: str) -> set[tuple[str, str, float]]:
    rows = connection.read(GRAPH)
    return {(row["a"], row["b"], row["distance"]) for row in rows if row["generation"] == generation}


def left_over(place: Workplace) -> list[Path]:
    root = Path(place.settings.data)
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and path.parts[len(root.parts)] not in ("features", "centroids")
    ]


def test_what_is_linked_is_what_one_process_links(linked_videos: Workplace, world: World) -> None:
    place = linked_videos
    generation = link(place, ARGUMENTS, no_progress)
    expected = link_matrix(world.features, world.starts, link_parameters(ARGUMENTS))
    assert edges(place.connection, generation) == {(edge.a_id, edge.b_id, edge.distance) for edge in expected.edges}
    assert get_generation(place.connection, generation).quality == expected.quality
    assert left_over(place) == []
    before = edges(place.connection, generation)
    assert link(place, ARGUMENTS, no_progress) == generation
    assert edges(place.connection, generation) == before
    other = link(place, {**ARGUMENTS, "seed": 4}, no_progress)
    assert other != generation
    assert link(place, ARGUMENTS, no_progress) == generation  # once more from the ground up: the same
    assert len(list_generations(place.connection)) == 2


@pytest.mark.parametrize("stage", ["sampling", "assigning", "children", "writing edges"])
def test_cancelled_it_leaves_nothing(linked_videos: Workplace, stage: str) -> None:
    place = linked_videos

    def stop(now: str, done: int, total: int, unit: str) -> None:
        if now == stage:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        link(place, ARGUMENTS, stop)
    assert left_over(place) == []
    assert current_generation(place.connection) is None
    assert place.connection.read(GRAPH) == []
    assert link(place, ARGUMENTS, no_progress)


KILLED = """
    import os, signal, sys
    from graph.linking import starts
    from graph.settings import settings
    from workers.stages.link import link
    from workers.workplace import Workplace

    starts.PART_ROWS = 60
    def progress(stage, done, total, unit):
        if stage == sys.argv[1] and (done or stage == "quality"):
            os.kill(os.getpid(), signal.SIGKILL)

    link(Workplace.open(settings()), {"features": "net", "parents": 5, "smallest": 8}, progress)
"""


@pytest.mark.parametrize("stage", ["sampling", "parents", "children", "writing edges"])
def test_killed_anywhere_the_next_run_gives_the_same(linked_videos: Workplace, stage: str) -> None:
    place = linked_videos
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), stage], check=False)
    assert done.returncode == -signal.SIGKILL
    assert current_generation(place.connection) is None
    generation = link(place, ARGUMENTS, no_progress)
    found = edges(place.connection, generation)
    assert left_over(place) == []
    other = link(place, {**ARGUMENTS, "seed": 4}, no_progress)
    delete_generation(place.connection, generation)
    assert link(place, ARGUMENTS, no_progress) == generation
    assert edges(place.connection, generation) == found
    assert {row["generation"] for row in place.connection.read(GRAPH)} == {generation, other}


def test_two_at_once_the_second_is_refused_at_once(linked_videos: Workplace) -> None:
    place = linked_videos
    with exclusive(place.connection, LINKING):
        with pytest.raises(Conflict, match=f"Another linking is running .process {os.getpid()} on "):
            link(place, ARGUMENTS, no_progress)
        with pytest.raises(Conflict, match="Another linking is running"):
            link(place, {"features": "net", "join": True}, no_progress)
    outcomes: list[str] = []
    both = threading.Barrier(2)

    def one(seed: int) -> None:
        both.wait()
        try:
            outcomes.append(link(place, {**ARGUMENTS, "seed": seed}, no_progress))
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [outcome for outcome in outcomes if outcome != "refused"]
    assert 1 <= len(made) <= 2
    assert {known.id for known in list_generations(place.connection)} == set(made)
    for generation in made:
        assert len(edges(place.connection, generation)) == get_generation(place.connection, generation).edges
    assert left_over(place) == []


def test_bad_input_is_one_line_and_leaves_nothing(place: Workplace, world: World) -> None:
    def refused(kind: type[Exception], words: str, **arguments: Any) -> None:
        with pytest.raises(kind, match=words) as caught:
            link(place, ARGUMENTS | arguments, no_progress)
        assert "\n" not in str(caught.value)
        assert left_over(place) == []
        assert current_generation(place.connection) is None

    refused(InvalidInput, "no patches to link")
    write_world(place.connection, world)
    refused(NotFound, "no features of model net for video")
    add(place, world)
    refused(InvalidInput, "K = 401 parents were asked for, and there are 400 patches", parents=401)
    video = world.videos[4].id
    name = f"features/net/{video}"
    ids, vectors = place.shards.read_vectors(name)
    path = Path(place.shards.path(name))
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    refused(StorageError, "cannot be read")
    path.unlink()
    refused(NotFound, f"no features of model net for video {video}")
    place.shards.write_vectors(name, ids, vectors[:, :16])
    refused(InvalidInput, "features of two models")
    place.shards.write_vectors(f"features/other/{video}", ids, vectors)
    path.write_bytes(Path(place.shards.path(f"features/other/{video}")).read_bytes())
    refused(InvalidInput, "vectors of model other, not of net: features of two models")
    poisoned = vectors.copy()
    poisoned[0, 0] = np.nan
    place.shards.write_vectors(name, ids, poisoned)
    refused(InvalidInput, f"features of patch {ids[0]} hold NaN")
    path.write_bytes(whole)
    assert link(place, ARGUMENTS, no_progress)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A real disk of 100 KiB; skipped where none can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
    if subprocess.run(size, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_leaves_nothing(place: Workplace, world: World, small_disk: Path) -> None:
    add(place, world)
    for video in world.videos:
        target = small_disk / f"features/net/{video.id}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(place.shards.path(f"features/net/{video.id}")).read_bytes())
    full = Workplace(place.settings, place.connection, Shards(str(small_disk)))
    with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
        link(full, ARGUMENTS, no_progress)
    assert {path.parent.name for path in small_disk.rglob("*") if path.is_file()} == {"net"}
    assert current_generation(place.connection) is None


def definition(
    world: World, starts: list[Patch], parent: dict[str, int]
) -> tuple[set[frozenset[str]], set[tuple[str, str]]]:
    """The children of section 4.2 for these parents, by `children`, which has its own transcription in plain loops."""
    rows = {patch.id: row for row, patch in enumerate(world.starts)}
    groups: set[frozenset[str]] = set()
    pairs: set[tuple[str, str]] = set()
    for number in sorted(set(parent.values())):
        inside, _ = starts_of([patch for patch in starts if parent.get(patch.id) == number])
        vectors = world.features[[rows[patch] for patch in inside.ids]]
        found = children(vectors, inside.videos, inside.frames, inside.boxes)
        groups |= {frozenset(inside.ids[row] for row in group) for group in found.tolist()}
        pairs |= {(inside.ids[a], inside.ids[b]) for a, b in pairs_of(found, len(inside)).tolist()}
    return groups, pairs


def stored(connection: Connection, generation: str) -> tuple[dict[str, int], set[frozenset[str]], set[tuple[str, str]]]:
    parent = {row["patch"]: row["parent"] for row in connection.read(MEMBERS, generation=generation)}
    groups = {frozenset(row["patches"]) for row in connection.read(GROUPS, generation=generation)}
    return parent, groups, {(a, b) for a, b, _ in edges(connection, generation)}


@pytest.mark.parametrize("gone", [False, True])
def test_new_videos_join_the_parents_and_the_children_are_those_of_the_definition(
    place: Workplace, world: World, gone: bool
) -> None:
    add(place, world, slice(0, 9))
    first = link(place, ARGUMENTS, no_progress)
    old, _, _ = stored(place.connection, first)
    add(place, world, slice(9, None))
    assert staleness(place.connection) == 2
    if gone:
        delete_video(place.connection, world.videos[0].id)
    second = link(place, {"features": "net", "join": True}, no_progress)
    assert second != first
    assert staleness(place.connection) == 0
    parent, groups, pairs = stored(place.connection, second)
    starts = [patch for patch in world.starts if not (gone and patch.video_id == world.videos[0].id)]
    there = {patch.id for patch in starts}
    assert {patch: number for patch, number in parent.items() if patch in old} == {
        patch: number for patch, number in old.items() if patch in there
    }
    centroids, numbers = read_centroids(place.shards, second)
    new = [row for row, patch in enumerate(world.starts) if patch.video_id in {v.id for v in world.videos[9:]}]
    unit = world.features[new].astype(float) / np.linalg.norm(world.features[new].astype(float), axis=1, keepdims=True)
    closest = ((unit[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
    assigned = np.array([parent.get(world.starts[row].id, -1) for row in new])
    assert (numbers[closest] == assigned).all()
    assert (groups, pairs) == definition(world, starts, parent)
    known = get_generation(place.connection, second)
    assert (known.joined, known.edges, known.children) == (first, len(pairs), len(groups))
    assert set(get_generation(place.connection, first).held_out) - {world.videos[0].id} <= set(known.held_out)
    assert link(place, {"features": "net", "join": True}, no_progress) == second
    from_the_ground_up = link(place, ARGUMENTS, no_progress)
    assert get_generation(place.connection, from_the_ground_up).joined == ""


def test_parents_that_nobody_joined_are_not_computed_again(
    place: Workplace, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(place, world)
    first = link(place, ARGUMENTS, no_progress)
    later = make_world(3, 1, seed=5)
    add(place, later)
    computed: list[int] = []

    def counting(features: Any, *rest: Any) -> Any:
        computed.append(len(features))
        return nearest(features, *rest)

    monkeypatch.setattr("workers.stages.join.arithmetic", lambda device, count: (NumpyPoints, counting))
    second = link(place, {"features": "net", "join": True}, no_progress)
    assert 1 <= len(computed) <= 3 < get_generation(place.connection, first).parents
    parent, groups, pairs = stored(place.connection, second)
    both = World(world.videos, world.starts + later.starts, [], [], np.concatenate([world.features, later.features]))
    assert (groups, pairs) == definition(both, both.starts, parent)


def test_joining_before_the_first_linking(place: Workplace, world: World) -> None:
    add(place, world)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        prepare_link(place, {"join": True}, no_progress)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        link(place, {"features": "net", "join": True}, no_progress)
