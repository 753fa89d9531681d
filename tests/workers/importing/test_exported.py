"""Tests of the readers of exports for FiftyOne and of Parquet tables: the tracks, and one-line errors for bad files."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graph.errors import InvalidInput
from workers.importing.find import read_sequence, read_sequences
from workers.importing.sequences import TrackedBox, exported_pairs, identify, longest_reach

VIDEO = "ab" * 16
Row = dict[str, Any]


def patch(name: str, frame: int, role: str, track: int = 1, video: str = VIDEO, title: str = "street.mp4") -> Row:
    box = {"x": 10 + frame, "y": 20, "w": 40, "h": 40}
    return {"id": name, "video_id": video, "video_name": title, "frame": frame, "role": role, "track": track, **box}


PATCHES = [patch("a", 5, "start"), patch("b", 35, "end"), patch("c", 65, "end")]
TRACKS = [
    {"start_id": "a", "end_id": "b", "confidence": 0.5},
    {"start_id": "a", "end_id": "c", "confidence": 0.75},
]


def tables(folder: Path, patches: list[Row] = PATCHES, tracks: list[Row] = TRACKS) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(patches), folder / "patches.parquet")
    pq.write_table(pa.Table.from_pylist(tracks), folder / "tracks.parquet")
    return folder


def detection(row: Row, **attributes: Any) -> Row:
    of_patch = {
        "video": row["video_name"],
        "video_id": row["video_id"],
        "track": f"{row['video_id'][:8]}-{row['track']}",
        "role": row["role"],
        "frame": row["frame"],
        "box": [row["x"], row["y"], row["w"], row["h"]],
    }
    return {"label": "no parent", "confidence": 0.75, "attributes": of_patch | attributes}


def labels(folder: Path, content: Any = None, patches: list[Row] = PATCHES, **attributes: Any) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    found = {row["id"]: [detection(row, **attributes)] for row in patches}
    (folder / "labels.json").write_text(json.dumps(content or {"classes": [], "labels": found}))
    return folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "street.mp4").write_bytes(b"video")
    return folder


def a_box(frame: int, confidence: float) -> TrackedBox:
    return TrackedBox(frame, (10.0 + frame, 20.0, 40.0, 40.0), confidence)


def test_tables_give_the_start_and_all_its_ends_with_their_confidences(tmp_path: Path, videos: Path) -> None:
    (found,) = read_sequences(tables(tmp_path / "out"), videos)
    assert (found.name, found.format, found.video) == ("street.mp4", "parquet", videos / "street.mp4")
    boxes = (a_box(5, 0.75), a_box(35, 0.5), a_box(65, 0.75))
    assert found.tracks == {"abababab-1": boxes}
    assert longest_reach(found) == 60
    assert exported_pairs(boxes, 60) == [(boxes[0], boxes[1]), (boxes[0], boxes[2])]
    assert exported_pairs(boxes, 59) == [(boxes[0], boxes[1])]
    assert read_sequence("parquet", found.source, videos, "street.mp4") == found


def test_both_forms_of_the_same_tracks_are_one_sequence(tmp_path: Path, videos: Path) -> None:
    patches, tracks = PATCHES[:2], [{**TRACKS[0], "confidence": 0.75}]
    (one,) = read_sequences(tables(tmp_path / "tables", patches, tracks), videos / "street.mp4")
    (other,) = read_sequences(labels(tmp_path / "labels", patches=patches), videos)
    assert one.tracks == other.tracks
    assert identify(one, "bytes") == identify(other, "bytes")


def test_a_track_may_have_any_text_as_its_name(tmp_path: Path, videos: Path) -> None:
    names = ("\ud800", "\n", "1")
    found = [read_sequences(labels(tmp_path / "out", track=name), videos)[0] for name in names]
    assert [[*one.tracks] for one in found] == [[name] for name in names]
    assert len({identify(one) for one in found}) == 3


def test_a_series_of_pictures_is_found_by_the_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "media/cups/cup 2").mkdir(parents=True)
    for number in (10, 9):
        Image.new("RGB", (9, 9)).save(tmp_path / f"media/cups/cup 2/{number}.png")
    rows = [patch("a", 0, "start", title="cups/cup 2"), patch("b", 1, "end", title="cups/cup 2")]
    (found,) = read_sequences(labels(tmp_path / "out", patches=rows), tmp_path / "media")
    assert found.video is None
    assert {frame: path.name for frame, path in found.pictures.items()} == {0: "9.png", 1: "10.png"}


def test_two_videos_of_one_name_need_files_whose_names_differ(tmp_path: Path, videos: Path) -> None:
    other = "cd" * 16
    rows = [*PATCHES, patch("d", 0, "start", video=other), patch("e", 30, "end", video=other)]
    folder = labels(tmp_path / "out", patches=rows)
    with pytest.raises(InvalidInput, match=r"neither the video street-abababab nor"):
        read_sequences(folder, videos)
    for name in ("abababab", "cdcdcdcd"):
        (videos / f"street-{name}.mp4").write_bytes(b"video")
    found = read_sequences(folder, videos)
    assert [(one.name, one.video) for one in found] == [
        (f"street-{name}", videos / f"street-{name}.mp4") for name in ("abababab", "cdcdcdcd")
    ]
    with pytest.raises(InvalidInput, match="holds tracks of 2 videos"):
        read_sequences(folder, videos / "street.mp4")


def test_what_was_taken_away_is_left_out_and_counted(tmp_path: Path, videos: Path) -> None:
    rows = [*PATCHES[:2], patch("d", 9, "end", track=2), patch("e", 0, "start", track=3)]
    (found,) = read_sequences(labels(tmp_path / "labels", patches=rows), videos)
    assert [len(boxes) for boxes in found.tracks.values()] == [2, 1]  # a track of one frame is counted by the stage
    assert found.left_out == {"tracks without their start": 1}
    (found,) = read_sequences(tables(tmp_path / "tables", rows, TRACKS[:1]), videos)
    assert [*found.tracks] == ["abababab-1"]
    assert found.left_out == {"patches without a track": 2}


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: labels(f, {"labels": []}), "is not FiftyOne's labels.json"),
        (lambda f: (labels(f) / "labels.json").write_text('{"labels": {'), "is not JSON"),
        (lambda f: (labels(f) / "labels.json").write_text("[" * 99_999), "is not JSON"),
        (lambda f: labels(f, {"labels": {"a": {"label": "cat"}}}), "sample a: the label must be a list"),
        (lambda f: labels(f, {"labels": {"a": [{"label": "cat"}]}}), "sample a: the detection lacks one of .*track"),
        (lambda f: labels(f, track=7), "lacks one of the attributes"),
        (lambda f: labels(f, frame=-1), "sample a: the attribute frame must be a number from 0"),
        (lambda f: labels(f, box=[1, 2, 3]), "the attribute box must be x, y, width, height"),
        (lambda f: labels(f, box=[1, 2, 3, 10**400]), "the attribute box must be"),
        (lambda f: labels(f, box=[1, 2, 0, 9]), "has no area"),
        (lambda f: labels(f, role="middle"), "must be start or end"),
        (lambda f: labels(f, role="start"), "has two starts"),
        (lambda f: labels(f, video="../../street.mp4"), "is not the name of a video"),
        (lambda f: labels(f, video="/etc/passwd"), "is not the name of a video"),
        (lambda f: labels(f, video="x" * 5000), "holds neither the video x"),
        (lambda f: labels(f, video="square.mp4"), r"neither the video square.mp4 .* --video FOLDER"),
        (lambda f: labels(f, {"labels": {"a": None}}), "holds no tracks"),
        (lambda f: tables(f, [{**row, "frame": 7} for row in PATCHES]), "is not after its start"),
        (lambda f: tables(f, [{**row, "frame": -7} for row in PATCHES]), "not a number from 0"),
        (lambda f: tables(f, [{**row, "x": float("inf")} for row in PATCHES]), "not a number from 0"),
        (lambda f: tables(f, [{**row, "w": 0} for row in PATCHES]), "has no area"),
        (lambda f: tables(f, [{**row, "role": None} for row in PATCHES]), "the column role has another type"),
        (lambda f: tables(f, [{**row, "frame": 0.5} for row in PATCHES]), "the column frame has another type"),
        (lambda f: tables(f, [{"id": row["id"]} for row in PATCHES]), "lacks the column video_id, video_name, role"),
        (lambda f: tables(f, PATCHES + PATCHES), "3 ids occur twice"),
        (lambda f: tables(f, PATCHES[:2]), "names the end c, which patches.parquet does not have"),
        (lambda f: tables(f, PATCHES, [{**TRACKS[0], "start_id": "b"}]), "names the start b"),
        (lambda f: (tables(f) / "tracks.parquet").unlink(), "There is no .*tracks.parquet"),
        (lambda f: (tables(f) / "patches.parquet").unlink(), "There is no .*patches.parquet"),
        (lambda f: (tables(f) / "patches.parquet").write_bytes(b"PAR1, but text"), "is not Parquet|cannot be read"),
    ],
)
def test_a_bad_export_is_refused_in_one_line(tmp_path: Path, videos: Path, spoil: Spoil, message: str) -> None:
    spoil(tmp_path / "out")
    with pytest.raises(InvalidInput, match=message) as refused:
        read_sequences(tmp_path / "out", videos)
    assert "\n" not in str(refused.value)


def test_a_damaged_table_is_read_or_refused(tmp_path: Path, videos: Path) -> None:
    file = tables(tmp_path / "out") / "patches.parquet"
    whole = file.read_bytes()
    for place in range(4, len(whole), 97):
        file.write_bytes(whole[:place] + bytes(byte ^ 255 for byte in whole[place : place + 20]) + whole[place + 20 :])
        with suppress(InvalidInput):  # any other exception is a defect
            read_sequences(tmp_path / "out", videos)
