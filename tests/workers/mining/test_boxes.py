"""Tests of boxes: they contain what moves more than its surroundings, and follow its size."""

import numpy as np
import pytest

from workers.mining.boxes import Area, contrast_with_surroundings, place_boxes
from workers.mining.recipe import Mining

AREA = Area(0, 0, 300, 200)


def moving(*rectangles: tuple[int, int, int, int]) -> np.ndarray:
    """Return a motion map in which the region left, top, width, height (pixels of the small picture) moves."""
    found = np.zeros((100, 150), np.float32)
    for left, top, width, height in rectangles:
        found[top : top + height, left : left + width] = 1
    return found


def naive_contrast(found: np.ndarray, left: int, top: int, side: int, around: int) -> float:
    inside = found[top : top + side, left : left + side]
    margin = (around - side) // 2
    ring = found[max(0, top - margin) : top + side + margin, max(0, left - margin) : left + side + margin]
    return float(inside.mean() - (ring.sum() - inside.sum()) / (ring.size - inside.size))


@pytest.mark.parametrize(("width", "height"), [(24, 24), (12, 30), (40, 16)])
def test_the_core_covers_what_moves(width: int, height: int) -> None:
    (box,) = place_boxes(moving((60, 40, width, height)), AREA, Mining())
    x, y, w, h = box.core
    assert (x, y) == pytest.approx((2 * (60 + width / 2), 2 * (40 + height / 2)), abs=2.5)
    assert (w, h) == pytest.approx((2 * width, 2 * height), rel=0.25)
    left, top, side = box.crop
    assert left <= x - w / 2 < x + w / 2 <= left + side
    assert top <= y - h / 2 < y + h / 2 <= top + side


@pytest.mark.parametrize(("side", "low", "high"), [(12, 50, 75), (30, 113, 115), (60, 145, 200)])
def test_the_crop_follows_the_size_where_the_usual_one_is_far_off(side: int, low: float, high: float) -> None:
    (box,) = place_boxes(moving((45, 20, side, side)), AREA, Mining())
    assert low <= box.crop[2] <= high


def test_the_papers_crop_has_one_size() -> None:
    for side in (12, 30, 60):
        (box,) = place_boxes(moving((45, 20, side, side)), AREA, Mining(crop_follows_size=False))
        assert box.crop[2] == 113.5


def test_two_movers_give_two_boxes_and_best_comes_first() -> None:
    first, second = place_boxes(moving((10, 20, 24, 24), (110, 60, 16, 16)), AREA, Mining())
    assert first.core[0] < 80 < 220 < second.core[0]


def test_what_moves_everywhere_has_no_box() -> None:
    assert place_boxes(np.ones((100, 150), np.float32), AREA, Mining()) == []
    assert place_boxes(np.zeros((100, 150), np.float32), AREA, Mining()) == []


def test_the_contrast_is_that_of_a_loop() -> None:
    found = moving((60, 40, 24, 24), (85, 40, 5, 24), (0, 0, 9, 9))
    contrasts = contrast_with_surroundings(found, 24)
    for left, top in [(60, 40), (58, 43), (70, 30), (0, 0), (126, 76)]:
        expected = naive_contrast(found, left, top, 24, 40)
        assert contrasts[top + 12, left + 12] == pytest.approx(expected, abs=1e-4)


def test_boxes_stay_inside_the_bars() -> None:
    area = Area(0, 40, 300, 160)
    boxes = place_boxes(moving((60, 0, 30, 100)), area, Mining())
    assert boxes
    for box in boxes:
        left, top, side = box.crop
        assert 0 <= left <= 300 - side
        assert 40 <= top <= 160 - side
