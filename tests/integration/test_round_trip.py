"""Tracks that are exported and read again are the same tracks."""

from pathlib import Path

import pytest

from graph.connection import Connection
from graph.exchange.coco import write_coco
from graph.exchange.fiftyone import write_fiftyone
from graph.exchange.mot import write_mot
from graph.exchange.names import file_stem
from graph.exchange.objects import every_video
from graph.exchange.parquet import write_parquet
from graph.shards import Shards
from tests.graph.linking_data import World, make_world, write_world
from workers.importing.find import read_sequences
from workers.importing.sequences import TrackedBox, TrackedSequence, choose_pairs, exported_pairs, longest_reach

WORLD = make_world(40, 4)
SEVERAL_ENDS = make_world(40, 4, seed=1, spare_tracks=9)
TRACK_LENGTH = 30
STRIDE = 15

Track = tuple[str, int, tuple[float, ...], int, tuple[float, ...]]  # video, frame and box of A, frame and box of A'


@pytest.fixture
def media(connection: Connection, tmp_path: Path) -> Path:
    """A folder with a file for each video of the graph; readers of tracks only look whether it is there."""
    write_world(connection, WORLD)
    for video in WORLD.videos:
        (tmp_path / video.name).touch()
    return tmp_path


def in_the_graph(world: World = WORLD) -> dict[Track, float]:
    """Return every track with its confidence."""
    patches = {patch.id: patch for patch in world.starts + world.ends}
    names = {video.id: video.name for video in world.videos}
    found = {}
    for track in world.tracks:
        a, b = patches[track.start_id], patches[track.end_id]
        boxes = ((a.x, a.y, a.w, a.h), (b.x, b.y, b.w, b.h))
        found[names[a.video_id], a.frame, boxes[0], b.frame, boxes[1]] = track.confidence
    return found


def read_again(sequence: TrackedSequence, video: str) -> dict[Track, float]:
    """Return the tracks that an import makes of a sequence."""
    return {
        (video, a.frame, rectangle(a), b.frame, rectangle(b)): min(a.confidence, b.confidence)
        for boxes in sequence.tracks.values()
        for a, b in choose_pairs(boxes, TRACK_LENGTH, STRIDE)
    }


def rectangle(one: TrackedBox) -> tuple[float, ...]:
    """Return the box of a track, which has one in these formats."""
    assert one.box is not None
    return one.box


def test_coco_gives_the_same_tracks_back(connection: Connection, media: Path) -> None:
    write_coco(every_video(connection), media / "tracks.json")
    found: dict[Track, float] = {}
    for sequence in read_sequences(media / "tracks.json"):
        assert sequence.video is not None
        found |= read_again(sequence, sequence.video.name)
    assert found == in_the_graph()


def test_mot_gives_the_same_tracks_back(connection: Connection, media: Path) -> None:
    write_mot(every_video(connection), media / "mot")
    found: dict[Track, float] = {}
    for video in WORLD.videos:
        [sequence] = read_sequences(media / "mot" / file_stem(video), media / video.name)
        found |= read_again(sequence, video.name)
    assert found == pytest.approx(in_the_graph(), abs=1e-6)  # the text has six digits


def exported_again(sequence: TrackedSequence, video: str) -> dict[Track, float]:
    """Return the tracks that an import makes of a sequence of an export."""
    return {
        (video, a.frame, rectangle(a), b.frame, rectangle(b)): min(a.confidence, b.confidence)
        for boxes in sequence.tracks.values()
        for a, b in exported_pairs(boxes, longest_reach(sequence))
    }


@pytest.fixture
def several_ends(connection: Connection, tmp_path: Path) -> Shards:
    """A graph in which some starts have two ends, with its pictures; the videos are files in `tmp_path`."""
    write_world(connection, SEVERAL_ENDS)
    shards = Shards(str(tmp_path / "data"))
    for video in SEVERAL_ENDS.videos:
        (tmp_path / video.name).touch()
        ids = [patch.id for patch in SEVERAL_ENDS.starts + SEVERAL_ENDS.ends if patch.video_id == video.id]
        shards.write_rows(f"patches/{video.id}", {"id": ids, "jpeg": [b"picture"] * len(ids)})
    return shards


@pytest.mark.parametrize("form", ["fiftyone", "parquet"])
def test_an_export_gives_every_end_of_every_start_back(
    connection: Connection, several_ends: Shards, tmp_path: Path, form: str
) -> None:
    if form == "fiftyone":
        write_fiftyone(every_video(connection), several_ends, tmp_path / "out")
    else:
        write_parquet(connection, every_video(connection), several_ends, tmp_path / "out")
    found: dict[Track, float] = {}
    for sequence in read_sequences(tmp_path / "out", tmp_path):
        assert sequence.video is not None
        found |= exported_again(sequence, sequence.video.name)
    wanted = in_the_graph(SEVERAL_ENDS)
    if form == "fiftyone":  # a detection has the highest confidence of the tracks of its start
        highest: dict[tuple[object, ...], float] = {}
        for track, confidence in wanted.items():
            highest[track[:3]] = max(confidence, highest.get(track[:3], 0.0))
        wanted = {track: highest[track[:3]] for track in wanted}
    assert found == wanted
