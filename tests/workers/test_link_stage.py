"""Tests of the link stage on real servers: repeated, late, with bad input, killed; and joining of new videos."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.connection import Connection
from graph.errors import Cancelled, Conflict, InvalidInput, NotFound, StorageError
from graph.feedback import judge_link, mark_no_object
from graph.generations.catalogue import (
    LINKING,
    current_generation,
    delete_generation,
    get_generation,
    list_generations,
    unlinked_videos,
)
from graph.generations.centroids import read_centroids
from graph.generations.track_starts import read_track_starts
from graph.linking.children import children, pairs_of
from graph.linking.neighbours import nearest
from graph.linking.parameters import PAPER, LinkParameters
from graph.linking.points import NumpyPoints
from graph.linking.run import link as link_matrix
from graph.linking.track_starts import track_starts_of
from graph.lock import graph_lock
from graph.records import Patch, no_progress
from graph.settings import settings
from graph.shards import Shards
from graph.videos import delete_video
from tests.graph.linking_data import World, make_world, write_world
from workers.requests import LinkRequest
from workers.stage_context import StageContext
from workers.stages.features import prepare_link
from workers.stages.link import link

REQUEST = LinkRequest("net", parameters=replace(PAPER, parents=5, smallest=8))
JOIN = LinkRequest(join=True)


def numbered(**parameters: Any) -> LinkRequest:
    """Return the request with other link parameters."""
    return replace(REQUEST, parameters=replace(REQUEST.parameters, **parameters))


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
    monkeypatch.setattr("graph.linking.track_starts.PART_ROWS", 60)
    monkeypatch.setenv("TRANSITIVE_LEAST_CONFIDENCE", "0")  # because the world's confidences are random


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(400, 11)


@pytest.fixture
def context(connection: Connection, home: Path) -> StageContext:
    return StageContext(settings(), connection, Shards(settings().data))


@pytest.fixture
def linked_videos(context: StageContext, world: World) -> StageContext:
    add(context, world)
    return context


def add(context: StageContext, world: World, videos: slice = slice(None)) -> None:
    """Write some videos of a world and their features."""
    chosen = {video.id for video in world.videos[videos]}
    inside = [row for row, patch in enumerate(world.starts) if patch.video_id in chosen]
    part = World(
        [video for video in world.videos if video.id in chosen],
        [world.starts[row] for row in inside],
        [patch for patch in world.ends if patch.video_id in chosen],
        [track for track in world.tracks if track.start_id in {world.starts[row].id for row in inside}],
        world.features[inside],
    )
    write_world(context.connection, part)
    for video in part.videos:
        rows = [row for row in inside if world.starts[row].video_id == video.id]
        context.shards.write_vectors(
            f"features/net/{video.id}", [world.starts[r].id for r in rows], world.features[rows]
        )


def test_doubtful_tracks_are_not_linked(linked_videos: StageContext, world: World) -> None:
    videos = [video.id for video in world.videos]
    found = read_track_starts(linked_videos.connection, videos, {}, 0.5)
    assert set(found.ids) == {track.start_id for track in world.tracks if track.confidence >= 0.5}
    assert len(found) < len(read_track_starts(linked_videos.connection, videos, {})) == len(world.starts)


def edges(connection: Connection, generation: str) -> set[tuple[str, str, float]]:
    rows = connection.read(GRAPH)
    return {(row["a"], row["b"], row["distance"]) for row in rows if row["generation"] == generation}


def left_over(context: StageContext) -> list[Path]:
    root = Path(context.settings.data)
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and path.parts[len(root.parts)] not in ("features", "centroids")
    ]


def test_what_is_linked_is_what_one_process_links(linked_videos: StageContext, world: World) -> None:
    context = linked_videos
    generation = link(context, REQUEST, no_progress)
    expected = link_matrix(world.features, world.starts, REQUEST.parameters)
    assert edges(context.connection, generation) == {(edge.a_id, edge.b_id, edge.distance) for edge in expected.edges}
    quality = get_generation(context.connection, generation).quality
    assert quality == expected.quality | {"rejected_before": 0, "rejected_since": 0, "rejected_share": 0.0}
    assert left_over(context) == []
    before = edges(context.connection, generation)
    assert link(context, REQUEST, no_progress) == generation
    assert edges(context.connection, generation) == before
    other = link(context, numbered(seed=4), no_progress)
    assert other != generation
    assert link(context, REQUEST, no_progress) == generation  # a full linking again gives the same
    assert len(list_generations(context.connection)) == 2


@pytest.mark.parametrize("stage", ["sampling", "assigning", "children", "writing edges"])
def test_cancelled_it_leaves_nothing(linked_videos: StageContext, stage: str) -> None:
    context = linked_videos

    def stop(now: str, done: int, total: int, unit: str) -> None:
        if now == stage:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        link(context, REQUEST, stop)
    assert left_over(context) == []
    assert current_generation(context.connection) is None
    assert context.connection.read(GRAPH) == []
    assert link(context, REQUEST, no_progress)


KILLED = """
    import os, signal, sys
    from graph.linking import track_starts
    from graph.linking.parameters import LinkParameters
    from graph.settings import settings
    from workers.requests import LinkRequest
    from workers.stages.link import link
    from workers.stage_context import StageContext

    track_starts.PART_ROWS = 60
    def progress(stage, done, total, unit):
        if stage == sys.argv[1] and (done or stage == "quality"):
            os.kill(os.getpid(), signal.SIGKILL)

    link(StageContext.open(settings()), LinkRequest("net", parameters=LinkParameters(5, 8)), progress)
"""


@pytest.mark.parametrize("stage", ["sampling", "parents", "children", "writing edges"])
def test_killed_anywhere_the_next_run_gives_the_same(linked_videos: StageContext, stage: str) -> None:
    context = linked_videos
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), stage], check=False)
    assert done.returncode == -signal.SIGKILL
    assert current_generation(context.connection) is None
    generation = link(context, REQUEST, no_progress)
    found = edges(context.connection, generation)
    assert left_over(context) == []
    other = link(context, numbered(seed=4), no_progress)
    delete_generation(context.connection, generation)
    assert link(context, REQUEST, no_progress) == generation
    assert edges(context.connection, generation) == found
    assert {row["generation"] for row in context.connection.read(GRAPH)} == {generation, other}


def test_two_at_once_the_second_is_refused_at_once(linked_videos: StageContext) -> None:
    context = linked_videos
    with graph_lock(context.connection, LINKING):
        with pytest.raises(Conflict, match=f"Another linking is running .process {os.getpid()} on "):
            link(context, REQUEST, no_progress)
        with pytest.raises(Conflict, match="Another linking is running"):
            link(context, JOIN, no_progress)
    outcomes: list[str] = []
    both = threading.Barrier(2)

    def one(seed: int) -> None:
        both.wait()
        try:
            outcomes.append(link(context, numbered(seed=seed), no_progress))
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [outcome for outcome in outcomes if outcome != "refused"]
    assert 1 <= len(made) <= 2
    assert {known.id for known in list_generations(context.connection)} == set(made)
    for generation in made:
        assert len(edges(context.connection, generation)) == get_generation(context.connection, generation).edges
    assert left_over(context) == []


def test_bad_input_is_one_line_and_leaves_nothing(context: StageContext, world: World) -> None:
    def refused(kind: type[Exception], words: str, **arguments: Any) -> None:
        with pytest.raises(kind, match=words) as caught:
            link(context, numbered(**arguments), no_progress)
        assert "\n" not in str(caught.value)
        assert left_over(context) == []
        assert current_generation(context.connection) is None

    refused(InvalidInput, "no patches to link")
    write_world(context.connection, world)
    refused(NotFound, "no features of model net for video")
    add(context, world)
    refused(InvalidInput, "400 patches cannot form 401 parents", parents=401)
    video = world.videos[4].id
    name = f"features/net/{video}"
    ids, vectors = context.shards.read_vectors(name)
    path = Path(context.shards.path(name))
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    refused(StorageError, "cannot be read")
    path.unlink()
    refused(NotFound, f"no features of model net for video {video}")
    context.shards.write_vectors(name, ids, vectors[:, :16])
    refused(InvalidInput, "features of two models")
    context.shards.write_vectors(f"features/other/{video}", ids, vectors)
    path.write_bytes(Path(context.shards.path(f"features/other/{video}")).read_bytes())
    refused(InvalidInput, "vectors of model other, not of net")
    poisoned = vectors.copy()
    poisoned[0, 0] = np.nan
    context.shards.write_vectors(name, ids, poisoned)
    refused(InvalidInput, f"features of patch {ids[0]} contain NaN")
    path.write_bytes(whole)
    assert link(context, REQUEST, no_progress)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A real disk of 100 KiB; the test is skipped if none can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
    if subprocess.run(size, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_leaves_nothing(context: StageContext, world: World, small_disk: Path) -> None:
    add(context, world)
    for video in world.videos:
        target = small_disk / f"features/net/{video.id}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(context.shards.path(f"features/net/{video.id}")).read_bytes())
    full = StageContext(context.settings, context.connection, Shards(str(small_disk)))
    with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
        link(full, REQUEST, no_progress)
    assert {path.parent.name for path in small_disk.rglob("*") if path.is_file()} == {"net"}
    assert current_generation(context.connection) is None


def definition(
    world: World, starts: list[Patch], parent: dict[str, int], neighbours: int = 10, group: int = 4
) -> tuple[set[frozenset[str]], set[tuple[str, str]]]:
    """Return section 4.2's children of these parents by `children`, which is tested against plain loops elsewhere."""
    rows = {patch.id: row for row, patch in enumerate(world.starts)}
    groups: set[frozenset[str]] = set()
    pairs: set[tuple[str, str]] = set()
    for number in sorted(set(parent.values())):
        inside, _ = track_starts_of([patch for patch in starts if parent.get(patch.id) == number])
        vectors = world.features[[rows[patch] for patch in inside.ids]]
        found = children(vectors, inside.videos, inside.frames, inside.boxes, neighbours=neighbours, group=group)
        groups |= {frozenset(inside.ids[row] for row in rows_of_child) for rows_of_child in found.tolist()}
        pairs |= {(inside.ids[a], inside.ids[b]) for a, b in pairs_of(found, len(inside)).tolist()}
    return groups, pairs


def stored(connection: Connection, generation: str) -> tuple[dict[str, int], set[frozenset[str]], set[tuple[str, str]]]:
    parent = {row["patch"]: row["parent"] for row in connection.read(MEMBERS, generation=generation)}
    groups = {frozenset(row["patches"]) for row in connection.read(GROUPS, generation=generation)}
    return parent, groups, {(a, b) for a, b, _ in edges(connection, generation)}


@pytest.mark.parametrize("gone", [False, True])
def test_new_videos_join_the_parents_and_the_children_are_those_of_the_definition(
    context: StageContext, world: World, gone: bool
) -> None:
    add(context, world, slice(0, 9))
    first = link(context, REQUEST, no_progress)
    old, _, _ = stored(context.connection, first)
    add(context, world, slice(9, None))
    assert unlinked_videos(context.connection) == 2
    if gone:
        delete_video(context.connection, world.videos[0].id)
    second = link(context, JOIN, no_progress)
    assert second != first
    assert unlinked_videos(context.connection) == 0
    parent, groups, pairs = stored(context.connection, second)
    starts = [patch for patch in world.starts if not (gone and patch.video_id == world.videos[0].id)]
    there = {patch.id for patch in starts}
    assert {patch: number for patch, number in parent.items() if patch in old} == {
        patch: number for patch, number in old.items() if patch in there
    }
    kept = read_centroids(context.shards, second)
    centroids, numbers = kept.vectors, kept.numbers
    new = [row for row, patch in enumerate(world.starts) if patch.video_id in {v.id for v in world.videos[9:]}]
    unit = world.features[new].astype(float) / np.linalg.norm(world.features[new].astype(float), axis=1, keepdims=True)
    closest = ((unit[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
    assigned = np.array([parent.get(world.starts[row].id, -1) for row in new])
    assert (numbers[closest] == assigned).all()
    assert (groups, pairs) == definition(world, starts, parent)
    known = get_generation(context.connection, second)
    assert (known.joined, known.edges, known.children) == (first, len(pairs), len(groups))
    assert set(get_generation(context.connection, first).held_out) - {world.videos[0].id} <= set(known.held_out)
    assert link(context, JOIN, no_progress) == second
    from_the_ground_up = link(context, REQUEST, no_progress)
    assert get_generation(context.connection, from_the_ground_up).joined == ""


def test_joining_keeps_the_mean_and_the_ceiling_of_the_linking(context: StageContext, world: World) -> None:
    add(context, world, slice(0, 9))
    first = link(context, LinkRequest("net", parameters=LinkParameters(parents=5, smallest=8)), no_progress)
    ceiling = get_generation(context.connection, first).quality["distance_ceiling"]
    assert 0 < ceiling < 2
    mean = read_centroids(context.shards, first).mean
    assert mean is not None
    add(context, world, slice(9, None))
    second = link(context, JOIN, no_progress)
    assert np.array_equal(read_centroids(context.shards, second).mean, mean)
    assert get_generation(context.connection, second).quality["distance_ceiling"] == ceiling
    parent, _, pairs = stored(context.connection, second)
    unit = world.features.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    centred = replace(world, features=(unit - mean).astype(np.float16))
    _, every = definition(centred, world.starts, parent, neighbours=5, group=2)
    row = {patch.id: index for index, patch in enumerate(world.starts)}
    values = centred.features.astype(np.float64)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    assert pairs == {(a, b) for a, b in every if 1 - values[row[a]] @ values[row[b]] <= ceiling + 1e-6}


def test_parents_that_nobody_joined_are_not_computed_again(
    context: StageContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(context, world)
    first = link(context, REQUEST, no_progress)
    later = make_world(3, 1, seed=5)
    add(context, later)
    computed: list[int] = []

    def counting(features: Any, *rest: Any) -> Any:
        computed.append(len(features))
        return nearest(features, *rest)

    monkeypatch.setattr("workers.stages.join.arithmetic", lambda device, count: (NumpyPoints, counting))
    second = link(context, JOIN, no_progress)
    assert 1 <= len(computed) <= 3 < get_generation(context.connection, first).parents
    parent, groups, pairs = stored(context.connection, second)
    both = World(world.videos, world.starts + later.starts, [], [], np.concatenate([world.features, later.features]))
    assert (groups, pairs) == definition(both, both.starts, parent)


def test_joining_before_the_first_linking(context: StageContext, world: World) -> None:
    add(context, world)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        prepare_link(context, JOIN, no_progress)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        link(context, JOIN, no_progress)


@pytest.mark.parametrize("request_", [REQUEST, numbered(group=2, linked_share=0.4)], ids=["paper", "pairs"])
def test_what_was_rejected_is_not_linked_again(context: StageContext, world: World, request_: LinkRequest) -> None:
    add(context, world, slice(0, 9))
    first = link(context, request_, no_progress)
    a, b, _ = sorted(edges(context.connection, first))[10]
    no_object = next(iter(sorted(edges(context.connection, first) - {(a, b)})[40:]))[0]
    assert no_object not in (a, b)
    judge_link(context.connection, a, b, "rejected", "ada")
    mark_no_object(context.connection, [no_object], True)
    second = link(context, request_, no_progress)
    assert link(context, request_, no_progress) == second != first
    add(context, world, slice(9, None))
    joined = link(context, JOIN, no_progress)
    for generation in (second, joined):
        pairs = {(one, other) for one, other, _ in edges(context.connection, generation)}
        assert len(pairs) > 50
        assert (a, b) not in pairs
        assert no_object not in {patch for pair in pairs for patch in pair}
        _, groups, _ = stored(context.connection, generation)
        assert not any({a, b} <= group or no_object in group for group in groups)
        quality = get_generation(context.connection, generation).quality
        assert (quality["rejected_before"], quality["rejected_since"]) == (1, 0)
        assert quality["rejected_share"] == 1 / (len(pairs) + 1)
    judge_link(context.connection, a, b, "open")
    mark_no_object(context.connection, [no_object], False)
    third = link(context, request_, no_progress)
    assert (a, b) in {(one, other) for one, other, _ in edges(context.connection, third)}
    assert get_generation(context.connection, third).feedback == ""


@pytest.mark.parametrize("of_today", [True, False], ids=["today", "earlier version"])
def test_withdrawn_feedback_comes_back_with_a_join(context: StageContext, world: World, of_today: bool) -> None:
    add(context, world)
    asked = numbered(group=2)
    first = link(context, asked, no_progress)
    a, b, _ = sorted(edges(context.connection, first))[10]
    no_object = next(
        one for one, other, _ in sorted(edges(context.connection, first))[40:] if not {one, other} & {a, b}
    )
    judge_link(context.connection, a, b, "rejected")
    mark_no_object(context.connection, [no_object], True)
    second = link(context, asked, no_progress)
    delete_generation(context.connection, first)
    if not of_today:
        context.connection.write("MATCH (g:Generation) REMOVE g.withheld")
    judge_link(context.connection, a, b, "accepted")
    mark_no_object(context.connection, [no_object], False)
    third = link(context, JOIN, no_progress)
    assert third != second
    parent, groups, pairs = stored(context.connection, third)
    assert (a, b) in pairs
    assert no_object in {patch for pair in pairs for patch in pair}
    assert (groups, pairs) == definition(world, world.starts, parent, group=2)
    assert link(context, JOIN, no_progress) == third
