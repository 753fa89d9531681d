"""Tests that a patch is the start or the end of one track: what happens where two tracks meet in one box."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graph.records import no_progress
from tests.workers.mining.composites import texture, write_video
from tests.workers.mining.test_trust import GOOD
from workers.mining.decode import Clip, Frame
from workers.mining.recipe import Limits, Mining
from workers.mining.tracks import Square, Track
from workers.mining.video import _Work
from workers.mining.windows import Ends

FIRST, SECOND, MEETING = (40.0, 40.0, 60.0), (140.0, 60.0, 60.0), (90.0, 50.0, 60.0)  # in luma pixels


@pytest.fixture
def work(tmp_path: Path) -> Iterator[tuple[_Work, list[Frame]]]:
    """A video of 46 different pictures that is being mined."""
    path = write_video(tmp_path / "clip.mp4", [texture(400, 600, k) for k in range(46)])
    with Clip(path, Limits(), Mining()) as clip:
        yield _Work(clip, "0" * 32, Mining(), None), list(clip.frames(no_progress))


def track(start: Square, end: Square) -> Track:
    return Track(30, np.zeros((13, 2)), start, end, dict(GOOD))


def test_of_two_tracks_that_end_in_one_box_the_first_is_kept(work: tuple[_Work, list[Frame]]) -> None:
    mining, frames = work
    window = [Ends(frames[0], frames[30])]
    first, second = track(FIRST, MEETING), track(SECOND, MEETING)
    assert mining._keep(window, [first]) == [first]
    assert mining._keep(window, [second]) == ["same box twice"]
    assert [(t.start_id, t.end_id) for t in mining.tracks] == [(mining.patches[0].id, mining.patches[1].id)]
    assert len(mining.patches) == len(mining.jpegs) == 2


def test_a_start_where_another_track_ends_is_moved_by_a_pixel(work: tuple[_Work, list[Frame]]) -> None:
    mining, frames = work
    mining._keep([Ends(frames[0], frames[15])], [track(FIRST, MEETING)])
    mining._keep([Ends(frames[15], frames[45])], [track(MEETING, SECOND)])
    _, end, start, _ = mining.patches
    assert [end.role, start.role] == ["end", "start"]
    assert (start.frame, start.x, start.y, start.w) == (end.frame, end.x - 1, end.y, end.w)
    assert len({patch.id for patch in mining.patches}) == 4
