"""Tests of the cut detector: it finds cuts between similar shots, but not fast motion, blur, flashes and fades."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from tests.workers.mining.composites import texture
from workers.mining.cuts import CutFinder

SIZE = (300, 200)


def shot(seed: int, step: float, count: int = 12) -> Iterator[np.ndarray]:
    scene = texture(500, 900, seed, fine=6)[..., 0]
    for k in range(count):
        yield cv2.getRectSubPix(scene, SIZE, (200 + step * k, 250))


def cuts(frames: list[np.ndarray]) -> list[int]:
    finder = CutFinder()
    return [k for k, frame in enumerate(frames) if finder.broke(np.ascontiguousarray(frame))]


@pytest.mark.parametrize("step", [0.0, 3.0, 14.0])
def test_a_hard_cut_is_found_where_it_is(step: float) -> None:
    assert cuts([*shot(1, step), *shot(2, step)]) == [12]


def test_a_cut_between_similar_shots_is_found() -> None:
    one = list(shot(3, 1.0))
    two = [np.uint8(0.5 * frame + 0.5 * other) for frame, other in zip(one, shot(4, 1.0), strict=True)]
    three = [np.uint8(0.5 * frame + 0.5 * other) for frame, other in zip(one, shot(5, 1.0), strict=True)]
    assert cuts([*two, *[np.roll(frame, 90, axis=1) for frame in three]]) == [12]


def test_fast_motion_and_blur_are_no_cuts() -> None:
    frames = list(shot(6, 2.0))
    fast = [cv2.blur(frame, (15, 1)) for frame in shot(6, 15.0)]
    assert cuts(frames + fast[2:]) == []


def test_a_flash_and_a_fade_are_no_cuts() -> None:
    frames = list(shot(7, 1.0))
    frames[5] = np.uint8(np.clip(frames[5] * 0.5 + 120, 0, 255))
    fade = [np.uint8(frame * (1 - k / 12)) for k, frame in enumerate(shot(7, 1.0))]
    assert cuts(frames) == []
    assert cuts(fade) == []


def test_a_cut_to_a_plain_picture_is_found() -> None:
    assert cuts([*shot(8, 1.0), *[np.full(SIZE[::-1], 230, np.uint8)] * 5]) == [12]
