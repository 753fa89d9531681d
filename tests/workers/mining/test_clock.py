"""Tests of the clock: the frame rate is frames divided by time, and times increase, whatever the file claims."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.workers.mining.composites import write_video
from tests.workers.mining.files import (
    crossing,
    one_after_the_other,
    remuxed,
    with_default_duration,
    without_default_duration,
)
from workers.mining.clock import Clock, frame_rate, measured_rate
from workers.mining.decode import Clip
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.mining.video import mine

MS = Fraction(1, 1000)


def times_of(path: Path) -> list[float]:
    with Clip(path, Limits(), Mining()) as clip:
        return [frame.time_s for frame in clip.frames()]


def lengths(mined: MinedVideo) -> set[float]:
    ends = zip(mined.patches[::2], mined.patches[1::2], strict=True)
    return {round(b.time_s - a.time_s, 2) for a, b in ends}


def test_a_browsers_recording_without_a_rate(shared_data: Path) -> None:
    mined = mine(shared_data / "regressions/webm-1000-fps/long.webm")
    assert mined.video.fps == pytest.approx(29.5, abs=0.1)
    assert (mined.report["every"], mined.report["taken"]) == (1, 1150)
    assert len(mined.tracks) > 60


def test_a_short_recording_without_a_rate_whose_first_frames_are_a_millisecond_apart(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(16, 52, 88)
    times = [0, 1, *(1 + np.cumsum(steps))]
    path = write_video(tmp_path / "tab.webm", crossing(), codec="libvpx", times=[int(t) for t in times])
    mined = mine(without_default_duration(path))
    assert mined.video.fps == pytest.approx(89_000 / times[-1], rel=0.01)
    assert mined.report["every"] == 1
    assert mined.tracks


def test_a_container_that_states_a_wrong_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "ten.mkv", crossing(60), times=[100 * k for k in range(60)])
    mined = mine(with_default_duration(path, Fraction(1, 60)))
    assert mined.video.fps == pytest.approx(10, abs=0.01)
    assert mined.report["every"] == 1


def test_ten_seconds_a_frame(shared_data: Path) -> None:
    mined = mine(shared_data / "regressions/slow-timelapse/ten_seconds_a_frame.mp4")
    assert mined.video.fps == pytest.approx(0.1)
    assert mined.video.duration_s == pytest.approx(890, abs=1)
    assert lengths(mined) == {300.0}


@pytest.mark.parametrize("seconds", [3, 60, 3600])
def test_many_seconds_a_frame(tmp_path: Path, seconds: int) -> None:
    times = [1000 * seconds * k for k in range(45)]
    mined = mine(write_video(tmp_path / "plants.mkv", crossing(45), times=times))
    assert mined.video.fps == pytest.approx(1 / seconds, rel=0.001)
    assert lengths(mined) == {30.0 * seconds}


def test_missing_times_at_the_front(shared_data: Path) -> None:
    path = shared_data / "regressions/missing-front-timestamps/negative.mkv"
    assert times_of(path) == pytest.approx([k / 30 for k in range(90)], abs=0.003)
    assert lengths(mine(path)) == {1.0}


def test_no_times_at_all(tmp_path: Path) -> None:
    mp4 = write_video(tmp_path / "whole.mp4", crossing(45))
    raw = tmp_path / "bare.h264"
    with av.open(str(mp4)) as source, raw.open("wb") as target:
        to_bare = av.BitStreamFilterContext("h264_mp4toannexb", source.streams.video[0])
        for packet in source.demux(video=0):
            for changed in to_bare.filter(packet if packet.size else None):
                target.write(bytes(changed))
    times = times_of(raw)
    assert len(times) == 45
    assert all(after > before for before, after in pairwise(times))
    assert mine(raw).tracks


def test_negative_times_at_the_front(tmp_path: Path) -> None:
    def earlier(_: int, packet: av.Packet) -> av.Packet:
        back = int(Fraction(1, 2) / packet.time_base)
        packet.pts, packet.dts = packet.pts - back, packet.dts - back
        return packet

    path = remuxed(write_video(tmp_path / "whole.mp4", crossing(60)), tmp_path / "early.mkv", earlier)
    assert times_of(path) == pytest.approx([k / 30 for k in range(60)], abs=0.01)


def test_a_camera_that_starts_again_goes_on(shared_data: Path) -> None:
    path = shared_data / "regressions/missing-front-timestamps/twice.ts"
    mined = mine(path)
    assert (mined.video.fps, mined.video.frames, mined.video.duration_s) == (30.0, 180, 6.0)
    times = times_of(path)
    assert all(after > before for before, after in pairwise(times))
    assert not [t for t in mined.tracks if t.track_length != 30]
    spans = [(a.frame, b.frame) for a, b in zip(mined.patches[::2], mined.patches[1::2], strict=True)]
    first = [span for span in spans if span[1] < 90]
    assert len(first) == 5
    assert spans == first + [(start + 90, end + 90) for start, end in first]  # no track crosses the second start


def test_a_clock_that_jumps_back_in_the_middle_ends_a_shot(tmp_path: Path) -> None:
    path = one_after_the_other(tmp_path / "again.ts", [crossing(70), crossing(50)])
    mined = mine(path)
    spans = [(a.frame, b.frame) for a, b in zip(mined.patches[::2], mined.patches[1::2], strict=True)]
    assert spans
    assert not [span for span in spans if span[0] < 70 <= span[1]]
    assert lengths(mined) == {1.0}
    assert sum(mined.report["shots_ended"].values()) == 1


@pytest.mark.parametrize("gap", [2_000, 100_000])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_gap_ends_a_shot(tmp_path: Path, gap: int, suffix: str) -> None:
    times = [round(k * 1000 / 30) + (gap if k >= 45 else 0) for k in range(90)]
    mined = mine(write_video(tmp_path / f"gap.{suffix}", crossing(), times=times))
    assert mined.video.fps == pytest.approx(30, abs=0.1)
    assert lengths(mined) == {1.0}
    spans = [(a.frame, b.frame) for a, b in zip(mined.patches[::2], mined.patches[1::2], strict=True)]
    assert spans
    assert not [span for span in spans if span[0] < 45 <= span[1]]
    assert mined.report["shots_ended"] == {"time": 1}
    assert "1 shot ended early by a jump of the time stamps; no track crosses it." in mined.report["notes"]


@pytest.mark.parametrize("bidirectional", [0, 2])
def test_an_avi_file_of_h264_is_one_shot_with_even_times(tmp_path: Path, bidirectional: int) -> None:
    options = {"bf": str(bidirectional), "preset": "fast"}
    path = write_video(tmp_path / "camera.avi", crossing(45), options=options)
    times = times_of(path)
    assert np.diff(times) == pytest.approx([1 / 30] * 44, abs=1e-6)
    assert times[0] <= bidirectional / 30 + 1e-6  # the decoder's delay
    assert mine(path).report["shots_ended"] == {}


def test_avi_files_whose_presentation_times_are_out_of_order(shared_data: Path) -> None:
    for name in ("baaivision__skateboard-dog.avi", "open-mmlab__test.avi"):
        times = times_of(shared_data / "videos" / name)
        assert all(after > before for before, after in pairwise(times))


def test_measured_rate() -> None:
    keys = [1] + [0] * 99
    assert measured_rate([40 * k for k in range(100)], keys, MS) == pytest.approx(25)
    assert measured_rate([40 * k + (60_000 if k > 50 else 0) for k in range(100)], keys, MS) == pytest.approx(25)
    assert measured_rate([0, 1, *(34 * k for k in range(1, 99))], keys, MS) == pytest.approx(99 / (98 * 0.034))
    twice = [40 * k for k in range(50)] * 2
    assert measured_rate(twice, [1, *[0] * 49] * 2, MS) == pytest.approx(25)
    assert measured_rate([7], [1], MS) == measured_rate([], [], MS) == 0


def test_the_containers_rate_counts_where_it_agrees() -> None:
    claims = [Fraction(30000, 1001), Fraction(30), None]
    assert frame_rate(29.96, 1000, claims) == float(claims[0])
    assert frame_rate(15.0, 1000, claims) == 15.0
    assert frame_rate(0.0, 1000, [None, Fraction(90_000), Fraction(24)]) == 24.0
    assert frame_rate(0.0, 1000, []) == 25.0


def test_clock() -> None:
    clock = Clock(MS, 40, 25)
    shown = [40, 80, 80, 120, 5_120, 5_160, None, 5_240, 0, 40]
    ticks = [clock.tick(time, None) for time in shown]
    assert [round(seconds, 3) for seconds, _ in ticks] == [0, 0.04, 0.08, 0.12, 5.12, 5.16, 5.2, 5.24, 5.28, 5.32]
    assert [k for k, (_, jumped) in enumerate(ticks) if jumped] == [4, 8]
