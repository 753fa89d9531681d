"""Tests on scenes with known motion: boxes are on the mover, tracks follow it, and nothing else is mined."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from graph.records import IntraInstance, patch_id
from tests.workers.mining.composites import draw, pan, paste, texture, write_video
from workers.mining.recipe import Mining
from workers.mining.segments import MinedVideo
from workers.mining.video import mine, video_id

SIZE = (600, 400)


def trusted(mined: MinedVideo) -> list[IntraInstance]:
    return [track for track in mined.tracks if track.confidence >= Mining().trusted]


def middles(mined: MinedVideo, role: str = "start") -> np.ndarray:
    return np.array([[p.x + p.w / 2, p.y + p.h / 2] for p in mined.patches if p.role == role])


def scenes(clip: Path, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the first frames of real clips as large pictures to pan over."""
    found = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            found.append(cv2.resize(frame.to_ndarray(format="rgb24"), size, interpolation=cv2.INTER_CUBIC))
            if len(found) == count:
                break
    return found


def test_the_box_is_on_an_object_pasted_over_panning_real_clips(tmp_path: Path, shared_data: Path) -> None:
    clips = sorted((shared_data / "videos").glob("nsavinov*")) or sorted((shared_data / "videos").iterdir())
    clips = sorted((shared_data / "videos").iterdir())[::17][:12]
    near, ends, total = 0, 0, 0
    for number, path in enumerate(clips):
        random = np.random.default_rng(number)
        scene = scenes(path, 1, (1000, 700))[0]
        camera = random.uniform(-3, 3, 2)
        thing = texture(130, 130, 100 + number, fine=6)
        angle = random.uniform(0, 6.28)
        move = random.uniform(2, 5) * np.array([np.cos(angle), np.sin(angle)])
        start = np.array([300, 200]) - move * 15
        frames = [
            paste(frame, thing, tuple(start + move * k))
            for k, frame in enumerate(pan(scene, SIZE, (200, 150), tuple(camera), 31))
        ]
        mined = mine(write_video(tmp_path / f"{number}.mp4", frames))
        total += 1
        if mined.patches:
            quarter = 227 / 4
            near += bool((np.abs(middles(mined) - start).max(axis=1) < quarter).any())
            ends += bool((np.abs(middles(mined, "end") - start - 30 * move).max(axis=1) < quarter).any())
    assert near >= 0.85 * total
    assert ends >= 0.85 * total


@pytest.mark.parametrize("camera", [(0.0, 0.0), (2.0, 0.5)])
def test_a_small_mover_is_followed_and_not_the_ground(tmp_path: Path, camera: tuple[float, float]) -> None:
    ground, thing = texture(700, 1100, 5, fine=3), texture(64, 64, 6, fine=5)
    move = np.array([-3.0, 1.0])
    start = np.array([360.0, 180.0])
    frames = [
        paste(frame, thing, tuple(start + move * k))
        for k, frame in enumerate(pan(ground, SIZE, (100, 100), camera, 31))
    ]
    mined = mine(write_video(tmp_path / "small.mp4", frames))
    assert len(mined.tracks) == 1
    went = middles(mined, "end")[0] - middles(mined)[0]
    assert went == pytest.approx(30 * move, abs=6)
    assert mined.tracks[0].confidence > 0.5


def test_a_moving_camera_alone_gives_nothing(tmp_path: Path) -> None:
    scene = texture(900, 1400, 7)
    panned = list(pan(scene, SIZE, (100, 100), (4.0, 1.5), 62))
    assert trusted(mine(write_video(tmp_path / "pan.mp4", panned))) == []
    zoomed = []
    for k in range(62):
        around = cv2.getRotationMatrix2D((300, 200), 0.2 * k, 1 + 0.006 * k)
        zoomed.append(cv2.warpAffine(scene[:400, :600], around, SIZE, borderMode=cv2.BORDER_REFLECT))
    assert trusted(mine(write_video(tmp_path / "zoom.mp4", zoomed))) == []


def test_what_stands_still_on_the_screen_is_no_object(tmp_path: Path) -> None:
    scene, logo = texture(900, 1400, 8), texture(70, 200, 9, fine=5)
    frames = []
    for frame in pan(scene, SIZE, (100, 100), (3.0, 0.0), 62):
        still = frame.copy()
        still[310:380, 380:580] = logo
        frames.append(still)
    mined = mine(write_video(tmp_path / "logo.mp4", frames))
    assert trusted(mined) == []


@pytest.mark.parametrize("what", ["text", "outlined text", "clock", "rectangle", "glass"])
def test_what_is_drawn_over_a_moving_picture_is_no_object(what: str, tmp_path: Path) -> None:
    scene = texture(900, 1400, 8)
    panned = pan(scene, SIZE, (100, 100), (3.5, 1.0), 62)
    frames = [draw(frame, what, k, (130, 290, 180, 80), seed=3) for k, frame in enumerate(panned)]
    mined = mine(write_video(tmp_path / "news.mp4", frames))
    assert trusted(mined) == []


def test_a_recorded_screen_is_refused(tmp_path: Path) -> None:
    page = np.full((400, 600, 3), 255, np.uint8)
    for line in range(40, 390, 24):
        cv2.putText(page, "some words on a page, again", (20, line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    picture, frames = texture(120, 160, 3), []
    for k in range(46):
        frame = page.copy()
        frame[150:270, 300 + 3 * k : 460 + 3 * k] = picture  # a window that is dragged
        frames.append(frame)
    mined = mine(write_video(tmp_path / "screen.mp4", frames))
    assert mined.patches == []
    assert mined.report["refused_windows"] == {"screen recording": mined.report["windows"]}


def test_no_track_crosses_a_cut(tmp_path: Path) -> None:
    frames, cuts = [], list(range(0, 280, 70))
    for seed in cuts:
        scene, thing = texture(400, 600, 20 + seed), texture(120, 120, 50 + seed)
        frames += [paste(scene, thing, (150 + 4 * k, 200)) for k in range(70)]
    mined = mine(write_video(tmp_path / "cuts.mp4", frames))
    assert mined.report["cuts"] == 3
    assert mined.tracks
    for start, end in zip(mined.patches[::2], mined.patches[1::2], strict=True):
        assert start.frame // 70 == end.frame // 70


def test_a_cut_every_second_leaves_no_room_for_a_track(tmp_path: Path) -> None:
    frames = [f for seed in range(4) for f in [texture(400, 600, 30 + seed)] * 25]
    mined = mine(write_video(tmp_path / "fast.mp4", frames, 25))
    assert mined.patches == []
    assert mined.report["refused_windows"] == {"shot shorter than a track": 4}


def test_flicker_is_no_motion(tmp_path: Path) -> None:
    scene = texture(400, 600, 11).astype(np.float32)
    light = 0.7 + 0.3 * np.sin(np.arange(62) * 0.9)
    frames = [np.clip(scene * factor, 0, 255).astype(np.uint8) for factor in light]
    assert trusted(mine(write_video(tmp_path / "flicker.mp4", frames))) == []


def test_an_object_that_leaves_gives_no_patch_of_repeated_borders(tmp_path: Path) -> None:
    scene, thing = texture(400, 600, 12), texture(120, 120, 13)
    frames = [paste(scene, thing, (420 + 7 * k, 200)) for k in range(46)]
    mined = mine(write_video(tmp_path / "leaving.mp4", frames))
    for patch in mined.patches:
        assert 0 <= patch.x <= 600 - patch.w
        assert 0 <= patch.y <= 400 - patch.h
    assert not [p for p in mined.patches if p.role == "start" and p.frame > 15]


def test_letterbox_bars_are_no_part_of_a_patch(tmp_path: Path) -> None:
    frames = []
    for k in range(46):
        frame = np.zeros((400, 600, 3), np.uint8)
        frame[60:340] = paste(texture(280, 600, 14), texture(100, 100, 15), (180 + 4 * k, 140))
        frames.append(frame)
    mined = mine(write_video(tmp_path / "cinema.mp4", frames))
    assert mined.patches
    assert all(p.y >= 60 and p.y + p.h <= 340 for p in mined.patches)
    assert mined.report["letterboxed_windows"] == mined.report["windows"] > 0


@pytest.mark.parametrize("size", [(360, 640), (480, 360), (640, 360)])
def test_every_shape_of_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    scene, thing = texture(size[1], size[0], 16), texture(110, 110, 17)
    start, move = np.array([size[0] / 2 - 40, size[1] / 2 - 40]), np.array([2.5, 2.5])
    frames = [paste(scene, thing, tuple(start + move * k)) for k in range(31)]
    mined = mine(write_video(tmp_path / "shape.mp4", frames))
    assert (mined.video.width, mined.video.height) == size
    assert np.abs(middles(mined) - start).max() < mined.patches[0].w / 4
    assert np.abs(middles(mined, "end") - start - 30 * move).max() < mined.patches[0].w / 4


@pytest.mark.parametrize(("rate", "length"), [(25, 30), (30, 30), (40, 30), (50, 60), (60, 60)])
def test_above_forty_frames_a_second_every_second_frame_is_taken(tmp_path: Path, rate: int, length: int) -> None:
    scene, thing = texture(320, 480, 18), texture(110, 110, 19)
    frames = [paste(scene, thing, (130 + 100 / rate * k, 160)) for k in range(66)]
    mined = mine(write_video(tmp_path / "rate.mp4", frames, rate))
    assert mined.video.frames == 66
    assert {t.track_length for t in mined.tracks} == {length}
    for start, end in zip(mined.patches[::2], mined.patches[1::2], strict=True):
        assert end.frame - start.frame == length
        assert end.time_s - start.time_s == pytest.approx(length / rate, abs=1e-3)


def test_fifteen_frames_for_the_ablation(tmp_path: Path) -> None:
    scene, thing = texture(320, 480, 18), texture(110, 110, 19)
    frames = [paste(scene, thing, (130 + 4 * k, 160)) for k in range(31)]
    mined = mine(write_video(tmp_path / "clip.mp4", frames), recipe=Mining(track_length=15))
    assert {t.track_length for t in mined.tracks} == {15}


def test_the_same_bytes_give_the_same_everything(tmp_path: Path) -> None:
    scene = texture(700, 1000, 21)
    things = [texture(100, 100, 22), texture(90, 90, 23)]
    frames = []
    for k, frame in enumerate(pan(scene, SIZE, (100, 100), (1.0, 0.0), 80)):
        frames.append(paste(paste(frame, things[0], (120 + 2 * k, 120)), things[1], (480 - 2 * k, 290)))
    path = write_video(tmp_path / "a.mp4", frames)
    again = tmp_path / "renamed.mp4"
    again.write_bytes(path.read_bytes())
    first, second = mine(path), mine(again)
    assert first.patches
    assert first.video.id == second.video.id == video_id(path)
    assert first.patches == second.patches
    assert first.jpegs == second.jpegs
    assert first.tracks == second.tracks
    assert first.frames == second.frames
    for patch in first.patches:
        assert patch.id == patch_id(first.video.id, patch.frame, patch.x, patch.y, patch.w, patch.h)


def test_pairs_of_the_same_picture_are_dropped_or_flagged(tmp_path: Path) -> None:
    scene, thing = texture(400, 600, 12, fine=9), texture(120, 120, 13, fine=9)
    # the object leaves and returns within a window
    frames = [paste(scene, thing, (300 + 60 * np.sin(np.pi * k / 30), 200)) for k in range(31)]
    path = write_video(tmp_path / "back.mp4", frames)
    dropped, flagged = mine(path), mine(path, recipe=Mining(keep_same=True))
    assert dropped.tracks == []
    assert dropped.report["refused_tracks"] == {"same picture": 1}
    (track,) = flagged.tracks
    assert track.trust["same_picture"] == 1
    assert track.trust["first_last_correlation"] >= 0.98


def test_patches_are_what_stands_in_the_box(tmp_path: Path) -> None:
    scene, thing = texture(400, 600, 12), texture(120, 120, 13)
    frames = [paste(scene, thing, (200 + 5 * k, 200)) for k in range(31)]
    mined = mine(write_video(tmp_path / "clip.mp4", frames))
    assert len(mined.jpegs) == len(mined.patches) == 2 * len(mined.tracks) > 0
    for patch, data in zip(mined.patches, mined.jpegs, strict=True):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert pixels.shape == (96, 96, 3)
        cut = frames[patch.frame][patch.y : patch.y + patch.h, patch.x : patch.x + patch.w]
        expected = cv2.resize(cut, (96, 96), interpolation=cv2.INTER_AREA)
        assert np.abs(pixels.astype(int) - expected).mean() < 8


def test_memory_is_flat_with_the_length(tmp_path: Path) -> None:
    import tracemalloc

    scene, thing = texture(240, 320, 12), texture(80, 80, 13)
    peaks = []
    for seconds in (20, 60):
        frames = [paste(scene, thing, (100 + 60 * np.sin(k / 20), 120)) for k in range(30 * seconds)]
        path = write_video(tmp_path / f"{seconds}.mp4", frames)
        del frames
        tracemalloc.start()
        mined = mine(path)
        kept = sum(map(len, mined.jpegs)) + sum(len(data) for _, data in mined.frames)
        peaks.append(tracemalloc.get_traced_memory()[1] - kept)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_start_has_an_end_at_each_length_that_its_shot_allows(tmp_path: Path) -> None:
    ground, thing = texture(400, 600, 5), texture(110, 110, 6, fine=5)
    frames = [paste(ground, thing, (140 + 3 * k, 200)) for k in range(62)]
    path = write_video(tmp_path / "clip.mp4", frames)
    one = mine(path)
    several = mine(path, recipe=Mining(longer=(45, 60)))
    by_start: dict[str, list[int]] = {}
    for track in several.tracks:
        by_start.setdefault(track.start_id, []).append(track.track_length)
    frame = {patch.id: patch.frame for patch in several.patches}
    assert {frame[start]: lengths for start, lengths in by_start.items()} == {0: [30, 45, 60], 15: [30, 45], 30: [30]}
    assert [t for t in several.tracks if t.track_length == 30] == one.tracks
    assert [p.id for p in several.patches if p.role == "start"] == [p.id for p in one.patches if p.role == "start"]
    for track in several.tracks:
        start, end = (next(p for p in several.patches if p.id == name) for name in (track.start_id, track.end_id))
        assert end.x - start.x == pytest.approx(3 * track.track_length, abs=8)
