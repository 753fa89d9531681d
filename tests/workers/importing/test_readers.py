"""Tests of the readers of tracks: their results, and one-line errors that name the fault."""

import json
from pathlib import Path

import pytest
from PIL import Image

from graph.errors import InvalidInput
from workers.importing.find import read_sequence, read_sequences
from workers.importing.natural import natural_order
from workers.importing.sequences import TrackedBox, identify

BOX = [10, 20, 30, 40]


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (60, 40), (number, 9, 9)).save(folder / name)
    return folder


def mot(folder: Path, text: str, frames: int = 3) -> Path:
    pictures(folder / "img1", [f"{number:06}.jpg" for number in range(1, frames + 1)])
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text(text)
    return folder


def coco(folder: Path, **changes: object) -> Path:
    content = {
        "videos": [{"id": 7, "name": "street"}],
        "images": [{"id": n, "video_id": 7, "frame_id": n, "file_name": f"{n}.jpg"} for n in range(3)],
        "annotations": [{"id": n, "image_id": n, "bbox": BOX, "track_id": 1} for n in range(3)],
    } | changes
    pictures(folder, [f"{n}.jpg" for n in range(3)])
    (folder / "tracks.json").write_text(json.dumps(content))
    return folder / "tracks.json"


def test_a_motchallenge_folder_is_read_with_frames_and_pixels_from_one(tmp_path):
    text = "1,1,11,21,30,40,1,1,1\n3,1,13,21,30,40,0.5,1,1\n2,1,12,21,30,40,0,1,1\n2,2,1,1,5,5,-1\n3,-1,1,1,5,5,1\n"
    (found,) = read_sequences(mot(tmp_path / "MOT-02", text))
    assert (found.name, found.format, found.video) == ("MOT-02", "mot", None)
    assert found.tracks == {
        "1": (TrackedBox(0, (10, 20, 30, 40), 1.0), TrackedBox(2, (12, 20, 30, 40), 0.5)),
        "2": (TrackedBox(1, (0, 0, 5, 5), 1.0),),
    }
    assert [found.pictures[frame].name for frame in range(3)] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert found.left_out == {"rows that do not count (confidence 0)": 1, "detections without an id": 1}


def test_text_beside_a_video_names_the_video(tmp_path):
    (tmp_path / "run.txt").write_text("1,1,1,1,5,5,0.9\n2,1,1,1,5,5,0.9\n")
    (tmp_path / "clip.mp4").write_bytes(b"video")
    (found,) = read_sequences(tmp_path / "run.txt", tmp_path / "clip.mp4")
    assert (found.name, found.video, found.pictures) == ("run", tmp_path / "clip.mp4", {})
    with pytest.raises(InvalidInput, match=r"no video of .*run.txt.*--video"):
        read_sequences(tmp_path / "run.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,5,5,0,9,1\n", r"gt.txt, line 1: the box of track 1 has no area"),
        ("1,1,5,5,9,9,1\n1,1,6,6,9,9,1\n", r"line 2: track 1 has two boxes in this frame"),
        ("1,1,5,5\n", r"line 1: '1,1,5,5' is not a row of MOTChallenge"),
        ("1,1,5,5,x,9\n", r"is not a row of MOTChallenge"),
        ("1,1,5,5,nan,9\n", r"is not a row of MOTChallenge"),
        ("0,1,5,5,9,9,1\n", r"line 1: frame 0. MOTChallenge counts frames from 1"),
        ("1,-1,5,5,9,9,1\n", r"holds no tracks. Its rows are detections"),
        ("\n", "holds no tracks"),
        ("", "is empty"),
    ],
)
def test_wrong_text_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        read_sequences(mot(tmp_path / "seq", text))
    assert "\n" not in str(refused.value)


def test_coco_json_is_read_with_ids_of_its_own_or_in_attributes(tmp_path):
    annotations = [
        {"id": 0, "image_id": 0, "bbox": BOX, "track_id": 4, "score": 0.5},
        {"id": 1, "image_id": 2, "bbox": BOX, "attributes": {"track_id": 4}},
        {"id": 2, "image_id": 1, "bbox": BOX, "track_id": 5, "iscrowd": 1},
    ]
    (found,) = read_sequences(coco(tmp_path, annotations=annotations))
    assert (found.name, found.video) == ("street", None)
    assert found.tracks == {"4": (TrackedBox(0, (10, 20, 30, 40), 0.5), TrackedBox(2, (10, 20, 30, 40), 1.0))}
    assert {frame: path.name for frame, path in found.pictures.items()} == {0: "0.jpg", 1: "1.jpg", 2: "2.jpg"}
    assert found.left_out == {"boxes of crowds": 1}


def test_every_video_of_coco_json_is_a_sequence_and_its_file_is_found_by_name(tmp_path):
    images = [{"id": n, "video_id": n // 2, "frame_index": n % 2, "file_name": "none.jpg"} for n in range(4)]
    annotations = [{"id": n, "image_id": n, "bbox": BOX, "track_id": n // 2} for n in range(4)]
    videos = [{"id": 0, "name": "day"}, {"id": 1, "name": "night.mp4"}]
    (tmp_path / "clips").mkdir()
    for name in ("day.avi", "night.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"video")
    file = coco(tmp_path, images=images, annotations=annotations, videos=videos)
    found = read_sequences(file, tmp_path / "clips")
    assert [(one.name, one.video, [*one.tracks]) for one in found] == [
        ("day", tmp_path / "clips/day.avi", ["0"]),
        ("night.mp4", tmp_path / "clips/night.mp4", ["1"]),
    ]
    assert read_sequence("coco", file, tmp_path / "clips", "night.mp4") == found[1]
    with pytest.raises(InvalidInput, match="no longer holds dusk"):
        read_sequence("coco", file, tmp_path / "clips", "dusk")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [{"id": 3, "image_id": 0, "bbox": BOX}]}, "annotation 3: the box has no track_id"),
        ({"annotations": [{"id": 3, "image_id": 0, "bbox": [1, 2, 3], "track_id": 1}]}, "bbox must be x, y, width"),
        ({"annotations": [{"id": 3, "image_id": 0, "bbox": [1, 2, 3, 10**400], "track_id": 1}]}, "bbox must be x, y"),
        ({"annotations": [{"id": 3, "image_id": 0, "bbox": [1, 2, -3, 4], "track_id": 1}]}, "has no area"),
        ({"annotations": [{"id": 3, "image_id": 9, "bbox": BOX, "track_id": 1}]}, "there is no image 9"),
        ({"annotations": [{"image_id": 0, "bbox": BOX, "track_id": 1}] * 2}, "track 1 has two boxes in this frame"),
        ({"annotations": [{"image_id": [0], "bbox": BOX, "track_id": 1}]}, r"image_id must be a number or a text"),
        ({"images": [{"id": 0, "video_id": {}, "frame_id": 0}]}, "video_id must be a number or a text"),
        ({"annotations": [{"image_id": 0, "bbox": BOX, "attributes": ["track_id"]}]}, "the box has no track_id"),
        ({"annotations": []}, "holds no tracks"),
        ({"annotations": None}, "is not a COCO file"),
        ({"images": [{"id": 0, "video_id": 7, "file_name": "0.jpg"}]}, "there is no image 1|has no frame_id"),
        ({"images": [{"id": n, "video_id": 7, "frame_id": n, "file_name": "x.jpg"} for n in range(3)]}, "--video"),
    ],
)
def test_wrong_json_is_refused_in_one_line(tmp_path, changes, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        read_sequences(coco(tmp_path, **changes))
    assert "\n" not in str(refused.value)


def test_a_score_that_is_no_number_is_not_known(tmp_path):
    annotations = [{"image_id": n, "bbox": BOX, "track_id": 1, "score": float("nan")} for n in range(2)]
    (found,) = read_sequences(coco(tmp_path, annotations=annotations))
    assert [one.confidence for one in found.tracks["1"]] == [1.0, 1.0]


def test_text_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{'a'")
    with pytest.raises(InvalidInput, match="is not JSON"):
        read_sequences(tmp_path / "a.json")


def test_each_folder_of_pictures_is_an_object_in_natural_order(tmp_path):
    pictures(tmp_path / "cups/cup 2", ["v10.png", "v9.png", "v1.png", "notes.png"])
    pictures(tmp_path / "cups/cup 10", ["a.jpg", "b.jpg"])
    pictures(tmp_path / "single", ["a.jpg"])
    found = read_sequences(tmp_path)
    assert [one.name for one in found] == ["cups/cup 10", "cups/cup 2"]
    assert [path.name for path in found[1].pictures.values()] == ["notes.png", "v1.png", "v9.png", "v10.png"]
    assert found[1].tracks == {"object": tuple(TrackedBox(frame, None) for frame in range(4))}
    with pytest.raises(InvalidInput, match="one picture each"):
        read_sequences(tmp_path / "single")


def test_what_is_neither_is_refused(tmp_path):
    (tmp_path / "tracks.xml").write_text("<tracks/>")
    for path, message in ((tmp_path / "tracks.xml", "holds no tracks"), (tmp_path / "none", "There is no")):
        with pytest.raises(InvalidInput, match=message):
            read_sequences(path)
    with pytest.raises(InvalidInput, match="There is no video"):
        read_sequences(tmp_path / "tracks.xml", tmp_path / "none.mp4")


def test_natural_order_compares_numbers_as_numbers():
    names = ["b2", "a10", "a2", "a02", "10", "9"]
    assert [path.name for path in natural_order(map(Path, names))] == ["9", "10", "a02", "a2", "a10", "b2"]


def test_a_sequence_is_named_by_its_pictures_and_its_tracks(tmp_path):
    text = "1,1,11,21,30,40\n2,1,11,21,30,40\n"
    first, again, other = (
        read_sequences(mot(tmp_path / name, rows))[0]
        for name, rows in (("a", text), ("b", text), ("c", text.replace("30", "31")))
    )
    assert identify(first) == identify(again) != identify(other)
    Image.new("RGB", (60, 40), "white").save(again.pictures[0])
    assert identify(first) != identify(again)
    again.pictures[0].unlink()
    with pytest.raises(InvalidInput, match="cannot be read"):
        identify(again)
