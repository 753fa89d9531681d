"""Tests of the link stage on real servers: repeated, late, with bad input, killed."""

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

from graph.errors import Cancelled, Conflict, InvalidInput, NotFound, StorageError
from graph.generations.catalogue import (
    LINKING,
    current_generation,
    delete_generation,
    get_generation,
    list_generations,
)
from graph.generations.track_starts import read_track_starts
from graph.linking.run import link as link_matrix
from graph.lock import graph_lock
from graph.records import no_progress
from graph.shards import Shards
from tests.graph.linking_data import World, write_world
from tests.workers.linking.worlds import GRAPH, JOIN, REQUEST, add, edges, left_over, numbered
from workers.stage_context import StageContext
from workers.stages.link import link


def test_doubtful_tracks_are_not_linked(linked_videos: StageContext, world: World) -> None:
    videos = [video.id for video in world.videos]
    found = read_track_starts(linked_videos.connection, videos, {}, 0.5)
    assert set(found.ids) == {track.start_id for track in world.tracks if track.confidence >= 0.5}
    assert len(found) < len(read_track_starts(linked_videos.connection, videos, {})) == len(world.starts)


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
