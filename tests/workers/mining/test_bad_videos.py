"""Tests of unusual files: unusable ones fail with one clear reason, valid ones are mined."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from graph.errors import BadVideo
from tests.workers.mining.composites import paste, texture, write_video
from workers.mining.decode import Clip
from workers.mining.recipe import Limits, Mining
from workers.mining.video import mine


def moving_scene(count: int, size: tuple[int, int] = (480, 320)) -> list[np.ndarray]:
    """Return frames of an object that crosses a static scene."""
    scene, thing = texture(size[1], size[0], 1), texture(110, 110, 2)
    return [paste(scene, thing, (150 + 4 * k, size[1] / 2)) for k in range(count)]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="does not exist"):
        mine(tmp_path / "none.mp4")


def test_zero_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(BadVideo, match="empty"):
        mine(path)


def test_text_named_mp4(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_text("Dear reader, this is no video.\n" * 100)
    with pytest.raises(BadVideo, match=r"letter\.mp4 is not a readable video"):
        mine(path)


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for k in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadVideo, match="no moving pictures"):
        mine(path)


def test_one_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "still.mp4", moving_scene(1))
    with pytest.raises(BadVideo, match="one frame"):
        mine(path)


def test_shorter_than_a_track(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", moving_scene(30))
    with pytest.raises(BadVideo, match="shorter than a track: 30 frames, 31 are needed"):
        mine(path)


def test_a_track_and_no_frame_more_is_enough(tmp_path: Path) -> None:
    mined = mine(write_video(tmp_path / "just.mp4", moving_scene(31)))
    assert [(p.frame, p.role) for p in mined.patches] == [(0, "start"), (30, "end")]


def test_truncated_without_its_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.mp4", moving_scene(60))
    data = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 2])  # an MP4's index lies at its end
    with pytest.raises(BadVideo, match=r"cut\.mp4"):
        mine(cut)


def test_truncated_with_its_index_is_mined_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.mkv", moving_scene(80))
    data = path.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) * 6 // 10])
    mined = mine(cut)
    assert 31 <= mined.video.frames < 80
    assert mined.tracks


def test_damage_in_the_middle_is_never_crossed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.avi", moving_scene(80), codec="mjpeg")
    data = bytearray(path.read_bytes())
    middle = data.index(b"00dc", len(data) // 2)
    data[middle + 8 : middle + 600] = bytes(592)
    broken = tmp_path / "broken.avi"
    broken.write_bytes(data)
    mined = mine(broken)
    assert mined.report["damaged_packets"] == 1
    lost = 80 - mined.video.frames
    assert lost == 1
    assert mined.report["cuts"] == 1


def test_wide_and_low(tmp_path: Path) -> None:
    scene, thing = texture(100, 320, 1), texture(50, 50, 2)
    frames = [paste(scene, thing, (60 + 3 * k, 50)) for k in range(45)]
    mined = mine(write_video(tmp_path / "low.mp4", frames))
    assert mined.tracks
    assert all(p.y >= 0 and p.y + p.h <= 100 and p.x + p.w <= 320 for p in mined.patches)


def test_too_narrow_to_hold_a_square(tmp_path: Path) -> None:
    path = write_video(tmp_path / "strip.mp4", [texture(64, 640, 1)] * 3)
    with pytest.raises(BadVideo, match="too narrow"):
        mine(path)


def test_four_k(tmp_path: Path) -> None:
    small = moving_scene(31, (480, 270))
    frames = [cv2.resize(f, (3840, 2160), interpolation=cv2.INTER_LINEAR) for f in small]
    mined = mine(write_video(tmp_path / "large.mp4", frames))
    assert (mined.video.width, mined.video.height) == (3840, 2160)
    assert mined.tracks
    assert min(p.w for p in mined.patches) > 1000  # 227 of 600×400 in its own pixels


def test_more_pixels_or_frames_than_allowed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "some.mp4", moving_scene(40))
    with pytest.raises(BadVideo, match="TRANSITIVE_MAX_PIXELS"):
        mine(path, Limits(max_pixels=480 * 320 - 1))
    with pytest.raises(BadVideo, match="TRANSITIVE_MAX_FRAMES"):
        mine(path, Limits(max_frames=39))


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = list(np.cumsum([0, *([20, 70] * 30)])[:45])
    path = write_video(tmp_path / "phone.mp4", moving_scene(45), times=[int(t) for t in times])
    mined = mine(path)
    assert mined.tracks
    for patch in mined.patches:
        assert patch.time_s == pytest.approx(times[patch.frame] / 1000, abs=0.002)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_honoured(tmp_path: Path, degrees: int) -> None:
    upright = np.zeros((320, 240, 3), np.uint8)
    upright[:160, :120], upright[:160, 120:], upright[160:, :120] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    coded = np.rot90(upright, degrees // 90)  # shown turned clockwise by `degrees`
    path = write_video(tmp_path / "phone.mp4", [coded] * 2, rotate=degrees)
    with Clip(path, Limits(), Mining()) as clip:
        frame = next(clip.frames())
        shown = frame.colour()
    assert shown.shape == upright.shape
    assert (clip.width, clip.height) == (240, 320)
    assert np.abs(shown.astype(int) - upright).mean() < 12
    assert frame.luma.shape[0] > frame.luma.shape[1]


def test_all_black_is_ready_with_nothing_in_it(tmp_path: Path) -> None:
    mined = mine(write_video(tmp_path / "night.mp4", [np.zeros((240, 320, 3), np.uint8)] * 70))
    assert mined.patches == []
    assert mined.video.status == "ready"
    assert mined.report["refused_windows"] == {"static": mined.report["windows"]}
