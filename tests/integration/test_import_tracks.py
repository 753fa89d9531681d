"""Tests of `transitive import-tracks` with real workers: repeated, and with a worker that is killed."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from graph.connection import Connection
from graph.videos import list_tracks, list_videos
from tests.conftest import empty_graph
from tests.integration.conftest import Workshop, assert_files_match, draw_clip, finish, graph_sets, wait_until
from tests.workers.mining.composites import texture
from workers.mining.pixels import jpeg

FRAMES = 90


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn video, the boxes of its object as MOTChallenge and as COCO, and two objects as folders of pictures."""
    folder = tmp_path_factory.mktemp("brought along")
    draw_clip(folder / "scene.mp4", 0, frames=FRAMES)
    centres = [(90 + 3 * abs((k + 90) % 180 - 90), 130) for k in range(FRAMES)]
    rows = [f"{k + 1},4,{x - 54},{y - 54},110,110,0.9,-1,-1,-1" for k, (x, y) in enumerate(centres)]
    (folder / "tracks.txt").write_text("\n".join(rows))
    images = [{"id": k, "video_id": 1, "frame_id": k} for k in range(FRAMES)]
    boxes = [
        {"id": k, "image_id": k, "bbox": [x - 55, y - 55, 110, 110], "track_id": 4} for k, (x, y) in enumerate(centres)
    ]
    videos = [{"id": 1, "name": "scene"}]
    (folder / "tracks.json").write_text(json.dumps({"videos": videos, "images": images, "annotations": boxes}))
    for number in range(2):
        (folder / f"objects/thing {number}").mkdir(parents=True)
        for view in range(8):
            pixels = texture(96, 96, 10 * number + view)
            (folder / f"objects/thing {number}/{view}.jpg").write_bytes(jpeg(pixels))
    return folder


def test_all_three_formats_enter_the_graph_and_twice_changes_nothing(
    workshop: Workshop, connection: Connection, material: Path
) -> None:
    calls = (
        ("tracks.txt", "--video", material / "scene.mp4", "--tool", "ByteTrack"),
        ("tracks.json",),
        ("objects", "--track-length", "2"),
    )
    for name, *options in calls:
        done = workshop.run("import-tracks", material / name, *options, "--json")
        assert done.code == 0, done.err
        assert done.facts["imported"] == (2 if name == "objects" else 1)
    videos = {video.name: video for video in list_videos(connection)}
    described = {(one.name, one.origin, one.tool, one.frames, one.status) for one in videos.values()}
    assert described == {
        ("tracks", "imported", "ByteTrack", FRAMES, "ready"),
        ("scene", "imported", "COCO", FRAMES, "ready"),
        ("thing 0", "imported", "pictures", 8, "ready"),
        ("thing 1", "imported", "pictures", 8, "ready"),
    }
    lengths = {name: sorted(t.track_length for t in list_tracks(connection, one.id)) for name, one in videos.items()}
    assert lengths == {
        "tracks": [27, 30, 30, 30, 30],
        "scene": [27, 30, 30, 30, 30],
        "thing 0": [2] * 4,
        "thing 1": [2] * 4,
    }
    assert {t.confidence for t in list_tracks(connection, videos["tracks"].id)} == {0.9}
    assert {t.origin for one in videos.values() for t in list_tracks(connection, one.id)} == {"imported"}
    assert_files_match(workshop, connection)
    before = graph_sets(connection)
    for name, *options in calls:
        again = workshop.run("import-tracks", material / name, *options, "--json")
        assert (again.facts["imported"], again.facts["already"]) == (0, 2 if name == "objects" else 1)
    assert graph_sets(connection) == before
    assert not before["doubles"]


def test_bad_tracks_leave_a_reason_and_nothing_else(workshop: Workshop, connection: Connection, material: Path) -> None:
    (material / "beyond.txt").write_text(f"1,1,10,10,50,50\n{FRAMES + 1},1,10,10,50,50\n9,1,10,10,50,50\n")
    done = workshop.run("import-tracks", material / "beyond.txt", "--video", material / "scene.mp4", "--json")
    assert done.code == 1
    (failure,) = done.facts["failures"]
    assert f"frame {FRAMES + 1}, beyond the end of scene.mp4" in failure["reason"]
    assert graph_sets(connection)["patches"] == set()
    assert_files_match(workshop, connection)
    (material / "once.txt").write_text("1,1,10,10,50,50\n")
    done = workshop.run("import-tracks", material / "once.txt", "--video", material / "scene.mp4")
    assert done.code == 1
    assert "no track has two boxes at most" in done.out
    done = workshop.run("import-tracks", material / "tracks.txt")
    assert done.code == 2
    assert "Name it: --video" in done.err


def test_a_killed_worker_leaves_the_import_to_the_next(
    workshop: Workshop, connection: Connection, material: Path
) -> None:
    command = workshop.start("import-tracks", material / "tracks.json", "--json")
    running = "MATCH (j:Job {kind: 'import', state: 'running'}) RETURN j.owner AS owner"
    wait_until(lambda: bool(connection.read(running)), "an import runs", command)
    os.kill(int(connection.read(running)[0]["owner"].split("|")[1]), signal.SIGKILL)
    done = finish(command)
    assert done.code == 0, done.err
    assert len(graph_sets(connection)["intra"]) == 5
    assert_files_match(workshop, connection)


def tracks_by_place(connection: Connection) -> set[tuple[object, ...]]:
    """Return the name of the video, frame and box of A, frame and box of A', and the confidence of every track."""
    query = """
    MATCH (v:Video)-[:HAS_PATCH]->(a:Patch)-[t:INTRA_INSTANCE]->(b:Patch)
    RETURN v.name, a.frame, a.x, a.y, a.w, a.h, b.frame, b.x, b.y, b.w, b.h, t.confidence
    """
    return {tuple(row.values()) for row in connection.read(query)}


def test_an_export_enters_an_empty_graph_with_the_same_tracks(
    workshop: Workshop, connection: Connection, material: Path, tmp_path: Path
) -> None:
    assert workshop.run("ingest", material / "scene.mp4").code == 0
    mined = tracks_by_place(connection)
    assert mined
    forms = ("fiftyone", "parquet")
    for form in forms:
        assert workshop.run("export", tmp_path / form, "--format", form).code == 0
    empty_graph(connection)
    shutil.rmtree(workshop.settings.data)
    for form, imported in zip(forms, (1, 0), strict=True):  # both name the sequence alike
        done = workshop.run("import-tracks", tmp_path / form, "--video", material, "--json")
        assert done.code == 0, done.err
        assert (done.facts["imported"], done.facts["already"]) == (imported, 1 - imported)
        assert tracks_by_place(connection) == mined
    [video] = list_videos(connection)
    assert (video.name, video.origin, video.tool) == ("scene.mp4", "imported", "Transitive Invariance")
    assert_files_match(workshop, connection)
    empty_graph(connection)
    shutil.rmtree(workshop.settings.data)
    assert workshop.run("import-tracks", tmp_path / "parquet" / "tracks.parquet", "--video", material).code == 0
    assert tracks_by_place(connection) == mined
