"""Tests of segments: they give the result of mining in one piece, in any order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph.errors import BadVideo
from graph.records import no_progress
from tests.workers.mining.composites import paste, texture, write_video
from workers.mining.decode import Clip, Frame
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import cut_into_segments, joined
from workers.mining.survey import WHOLE, Segment
from workers.mining.video import mine, mine_segment, video_id

RECIPE = Mining(segment=100)
CODINGS = {
    "closed": {"g": "40", "bf": "2"},
    "open": {"g": "40", "bf": "2", "x264-params": "open-gop=1:scenecut=0"},
    "plain": {"g": "40"},
}


def moving(count: int) -> list[np.ndarray]:
    scene, thing = texture(240, 320, 1), texture(90, 90, 2)
    return [paste(scene, thing, (90 + 2 * abs((k + 70) % 140 - 70), 120)) for k in range(count)]


@pytest.fixture(scope="module", params=[*CODINGS, "mkv"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    name = "long.mkv" if request.param == "mkv" else "long.mp4"
    return write_video(folder / name, moving(370), options=CODINGS.get(request.param, CODINGS["closed"]))


def frames(clip: Path, segment: Segment) -> list[Frame]:
    with Clip(clip, Limits(), RECIPE, segment=segment) as opened:
        return [frame.without_picture() for frame in opened.frames()]


def test_segments_begin_at_key_frames_and_hold_every_frame_once(clip: Path) -> None:
    segments = cut_into_segments(clip, Limits(), recipe=RECIPE)
    assert [s.first for s in segments] == [0, 120, 240]  # the last 130 frames are fewer than one and a half segments
    whole, pieces = frames(clip, WHOLE), [f for s in segments for f in frames(clip, s)]
    assert [f.index for f in pieces] == [f.index for f in whole] == list(range(370))
    assert [f.time_s for f in pieces] == [f.time_s for f in whole]
    assert all((a.luma == b.luma).all() for a, b in zip(pieces, whole, strict=True))


def test_the_order_in_which_segments_are_mined_makes_no_difference(clip: Path) -> None:
    whole = mine(clip, recipe=RECIPE)
    segments = cut_into_segments(clip, Limits(), recipe=RECIPE)
    mined = {s.number: mine_segment(clip, Limits(), no_progress, RECIPE, s, video_id(clip)) for s in reversed(segments)}
    again = joined((mined[s.number] for s in segments), RECIPE)
    assert again == whole
    assert whole.video.frames == 370
    assert whole.video.duration_s == pytest.approx(370 / 30, abs=0.05)
    assert whole.report["windows"] == sum(part.report["windows"] for part in mined.values())
    ends = [s.first for s in segments[1:]]
    for start, end in zip(whole.patches[::2], whole.patches[1::2], strict=True):
        assert not [k for k in ends if start.frame < k <= end.frame]
    assert {np.searchsorted(ends, patch.frame, "right") for patch in whole.patches} == {0, 1, 2}


def test_whole_frames_are_kept_as_in_one_piece(clip: Path) -> None:
    assert [k for k, _ in mine(clip, recipe=RECIPE).frames] == [k for k, _ in mine(clip).frames]


def test_above_forty_frames_a_second_the_same_frames_are_taken(tmp_path: Path) -> None:
    path = write_video(tmp_path / "fast.mp4", moving(370), 60, options={"g": "45"})
    segments = cut_into_segments(path, Limits(), recipe=RECIPE)
    assert [s.first for s in segments] == [0, 135, 270][: len(segments)]
    taken = [f.index for s in segments for f in frames(path, s)]
    assert taken == [f.index for f in frames(path, WHOLE)] == list(range(0, 370, 2))


def test_short_videos_and_those_that_cannot_be_sought_in_are_one_segment(tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", moving(140), options={"g": "10"})
    assert [(s.begins, s.ends) for s in cut_into_segments(short, Limits(), recipe=RECIPE)] == [(None, None)]
    one_key = write_video(tmp_path / "one.mp4", moving(200), options={"g": "600", "x264-params": "scenecut=0"})
    assert [(s.begins, s.ends) for s in cut_into_segments(one_key, Limits(), recipe=RECIPE)] == [(None, None)]


def test_a_long_video_of_a_size_that_cannot_be_mined_is_refused(tmp_path: Path) -> None:
    small = [np.ascontiguousarray(frame[::4, ::4]) for frame in moving(370)]
    path = write_video(tmp_path / "stamp.mp4", small, options=CODINGS["closed"])
    assert len(cut_into_segments(path, Limits(), recipe=RECIPE)) == 3
    with pytest.raises(BadVideo, match="has 80×60 pixels; the shorter side must have 64"):
        mine(path, recipe=RECIPE)


def test_segments_of_another_picture_size_are_joined_and_named(clip: Path) -> None:
    segments = cut_into_segments(clip, Limits(), recipe=RECIPE)
    parts = [mine_segment(clip, Limits(), no_progress, RECIPE, s, "v") for s in segments]
    parts[1] = replace(
        parts[1], video=replace(parts[1].video, width=100), report=parts[1].report | {"sizes": {"100×240": 120}}
    )
    whole = joined(parts, RECIPE)
    assert (whole.video.width, whole.video.frames) == (320, 370)
    assert whole.report["sizes"] == {"100×240": 120, "320×240": 250}
    assert "The picture's size changes: 120 of 100×240, 250 of 320×240 frames." in whole.report["notes"]
