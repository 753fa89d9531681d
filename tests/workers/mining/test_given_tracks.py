"""Tests of patches of given tracks, cut out of a drawn video and of pictures with known content."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph.errors import BadVideo, InvalidInput
from graph.records import no_progress, patch_id
from tests.workers.mining.composites import paste, texture, write_video
from workers.importing.sequences import TrackedBox
from workers.mining.given_tracks import GivenTracks, cut_pictures, cut_video, square_around
from workers.mining.isolated import cut_tracks_isolated
from workers.mining.recipe import Limits, Mining

VIDEO = "ab" * 16
FRAMES = 12


def centre(frame):
    return 60 + 8 * frame, 100


def given(pairs, last=FRAMES - 1):
    return GivenTracks(VIDEO, "street", "ByteTrack", tuple(("3", pair) for pair in pairs), ("3", last), 1)


def box(frame, confidence=1.0, size=40):
    x, y = centre(frame)
    return TrackedBox(frame, (x - size / 2, y - size / 2, size, size), confidence)


@pytest.fixture(scope="module")
def scene():
    ground, thing = texture(200, 300, 1), texture(40, 40, 2)
    return [paste(ground, thing, centre(frame)) for frame in range(FRAMES)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory, scene):
    return write_video(tmp_path_factory.mktemp("clip") / "street.mp4", scene)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, scene):
    folder = tmp_path_factory.mktemp("pictures")
    for number, frame in enumerate(scene):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return {number: folder / f"{number}.png" for number in range(FRAMES)}


def decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)


@pytest.mark.parametrize("source", ["video", "pictures"])
def test_patches_show_the_object_at_both_ends(clip, pictures, scene, source):
    asked = given([(box(1, 0.9), box(9, 0.8))])
    if source == "video":
        cut = cut_tracks_isolated(clip, Limits(), no_progress, asked, Mining())
        assert (cut.video.fps, cut.video.frames, cut.video.width) == (30.0, FRAMES, 300)
        assert [patch.time_s for patch in cut.patches] == pytest.approx([1 / 30, 9 / 30], abs=1e-3)
    else:
        cut = cut_pictures(pictures, asked, Mining(), Limits())
        assert (cut.video.fps, cut.video.frames, cut.video.width) == (0.0, FRAMES, 300)
    assert (cut.video.id, cut.video.origin, cut.video.tool) == (VIDEO, "imported", "ByteTrack")
    places = [(patch.frame, patch.x, patch.y, patch.w, patch.h, patch.role) for patch in cut.patches]
    assert places == [(1, 48, 80, 40, 40, "start"), (9, 112, 80, 40, 40, "end")]
    assert [patch.id for patch in cut.patches] == [patch_id(VIDEO, *place[:5]) for place in places]
    (track,) = cut.tracks
    assert (track.track_length, track.confidence, track.origin) == (8, 0.8, "imported")
    assert (track.start_id, track.end_id) == tuple(patch.id for patch in cut.patches)
    assert (track.trust["score_start"], track.trust["score_end"]) == (0.9, 0.8)
    for patch, jpeg in zip(cut.patches, cut.jpegs, strict=True):
        x, y = patch.x, patch.y
        truth = Image.fromarray(scene[patch.frame][y : y + 40, x : x + 40]).resize((96, 96), Image.Resampling.BICUBIC)
        assert np.abs(decoded(jpeg) - np.asarray(truth).astype(int)).mean() < 8
    assert cut.frames
    paths = [(path.start_id, path.boxes) for window in cut.timeline for path in window.paths]
    assert paths == ([(track.start_id, [[48, 80, 40, 40], [112, 80, 40, 40]])] if source == "video" else [])
    assert cut.report["notes"] == []


def test_one_picture_twice_and_one_box_twice_are_left_out(pictures):
    still = dict.fromkeys(range(FRAMES), pictures[0])
    cut = cut_pictures(still, given([(box(1), TrackedBox(9, box(1).box))]), Mining(), Limits())
    assert (cut.patches, cut.report["refused_tracks"]) == ([], {"same picture": 1})
    cut = cut_pictures(pictures, given([(box(1), box(9)), (box(9), box(11))]), Mining(), Limits())
    assert [track.track_length for track in cut.tracks] == [8]
    assert cut.report["notes"] == ["1 pairs left out: same box twice."]


def test_ends_of_one_track_share_their_start_and_other_tracks_do_not(pictures):
    pairs = (("3", (box(1), box(5))), ("3", (box(1), box(9))), ("4", (box(1), box(11))), ("4", (box(0), box(9))))
    cut = cut_pictures(pictures, GivenTracks(VIDEO, "street", "", pairs, ("4", 11), 0), Mining(), Limits())
    assert [(patch.frame, patch.role) for patch in cut.patches] == [(1, "start"), (5, "end"), (9, "end")]
    assert len(cut.jpegs) == 3
    frames = {patch.id: patch.frame for patch in cut.patches}
    assert [(frames[one.start_id], frames[one.end_id]) for one in cut.tracks] == [(1, 5), (1, 9)]
    assert cut.report["refused_tracks"] == {"same box twice": 2}


def test_a_box_beyond_the_end_or_outside_its_picture_is_named(clip, pictures):
    far = given([(box(1), box(9))], last=FRAMES)
    with pytest.raises(BadVideo, match=r"Track 3 of street has a box in frame 13, beyond the end of street.mp4: .* 12"):
        cut_video(clip, Limits(), no_progress, far, Mining())
    with pytest.raises(InvalidInput, match=r"box in frame 13, beyond the last picture: 11.png"):
        cut_pictures(pictures, far, Mining(), Limits())
    outside = given([(box(1), TrackedBox(9, (300.0, 5.0, 9.0, 9.0)))])
    for cut in (
        lambda: cut_video(clip, Limits(), no_progress, outside, Mining()),
        lambda: cut_pictures(pictures, outside, Mining(), Limits()),
    ):
        with pytest.raises(
            InvalidInput, match=r"Track 3 of street has a box outside its picture in frame 10: .*300×200"
        ):
            cut()


def test_a_missing_an_unreadable_and_a_huge_picture_are_named(pictures, tmp_path: Path):
    asked = given([(box(1), box(9))])
    with pytest.raises(InvalidInput, match="Frame 10 of street has a box but no picture"):
        cut_pictures({frame: path for frame, path in pictures.items() if frame != 9}, asked, Mining(), Limits())
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InvalidInput, match=r"bad.png is not a readable picture"):
        cut_pictures(pictures | {9: tmp_path / "bad.png"}, asked, Mining(), Limits())
    with pytest.raises(InvalidInput, match="TRANSITIVE_MAX_PIXELS"):
        cut_pictures(pictures, asked, Mining(), Limits(max_pixels=1000))


@pytest.mark.parametrize(
    ("given_box", "aspect", "square"),
    [
        ((10, 20, 30, 30), 1.0, (10, 20, 30, 30)),
        ((10, 20, 20, 60), 1.0, (0, 20, 60, 60)),  # moved inside at the left
        ((-10, -10, 30, 30), 1.0, (0, 0, 30, 30)),
        ((190, 90, 30, 30), 1.0, (170, 70, 30, 30)),
        ((50, -50, 60, 300), 1.0, (30, 0, 100, 100)),  # no larger than the picture's shorter side
        ((50, 20, 20, 40), 2.0, (50, 20, 20, 40)),  # pixels twice as wide as high: square on a screen
        ((50, 20, 40, 56), 64 / 45, (50, 20, 40, 56)),  # a mined crop, whose sides were rounded
        ((50, 20, 40, 50), 64 / 45, (50, 17, 40, 57)),
        (None, 1.0, (50, 0, 100, 100)),
        ((200, 20, 5, 5), 1.0, None),
        ((20, -9, 9, 9), 1.0, None),
    ],
)
def test_squares_hold_the_box_and_stay_inside(given_box, aspect, square):
    assert square_around(TrackedBox(0, given_box), 200, 100, aspect) == square
