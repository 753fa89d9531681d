"""Boxes of moving objects in one frame: squares with more motion than their surroundings (section 4.1).

Each box has a crop, which becomes a patch, and a core, the part of the crop that is tracked.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.recipe import Mining

Floats = NDArray[np.float32]

_SIDES = (6, 8, 12, 17, 24, 34)  # squares tried, a factor √2 apart, in pixels of a quarter of the luma's size
_AROUND = 1.7  # side of the surroundings, in sides of the square
_GROWTH = 0.75  # a square's score is its contrast times its side to this power, so that larger squares can win
_CORE = 1.7  # half of the core's extent in standard deviations of the motion in it; √3 for a filled rectangle
_GROWN = 1.4  # side of the square in which the core is measured / side of the square that was found
_LEAST_CORE = 10  # pixels of the small picture
_TIGHT, _WIDE = 1.25, 2.5  # sides of the smallest and the largest crop, in sides of the core
_OVERLAP, _PART = 0.5, 0.3  # maximum overlap of two boxes, as a share of the smaller crop, and of the smaller core


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the luma without letterbox bars."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Return the columns inside."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Return the rows inside."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Box:
    """An object in the window's first frame, in luma pixels."""

    crop: tuple[float, float, float]  # left, top, side
    core: tuple[float, float, float, float]  # centre x, centre y, width, height
    contrast: float  # 0..1: share of the square that moves, less the share of its surroundings


def crop_side(area: Area, recipe: Mining) -> float:
    """Return the paper's side of a crop in luma pixels; smaller where letterbox bars leave a smaller picture."""
    shown = sqrt(area.width * area.height / (recipe.working_area / 4))
    return min(recipe.crop / 2 * shown, area.width, area.height)


def place_boxes(moving: Floats, area: Area, recipe: Mining) -> list[Box]:
    """Place boxes where `moving` (h, w) in 0..1, at half of the luma's size, stands out, best first.

    The paper's crop is enlarged for an object that does not fit, and reduced for one that would be lost in it.
    """
    side = crop_side(area, recipe)
    left, top = -(-area.left // 2), -(-area.top // 2)
    shown = np.ascontiguousarray(moving[top : area.bottom // 2, left : area.right // 2])
    boxes: list[Box] = []
    coarse = cv2.resize(shown, (shown.shape[1] // 2, shown.shape[0] // 2), interpolation=cv2.INTER_AREA)
    scores = [
        (_smooth(contrast_with_surroundings(np.asarray(coarse, np.float32), size), size), size)
        for size in _SIDES
        if size <= min(coarse.shape)
    ]
    for _ in range(4 * recipe.most_boxes):
        best = max(scores, key=lambda found: float(found[0].max()) * found[1] ** _GROWTH, default=None)
        if best is None or len(boxes) == recipe.most_boxes:
            break
        contrast, size = best
        row, column = (int(v) for v in np.unravel_index(contrast.argmax(), contrast.shape))
        height = float(contrast[row, column])
        if height < recipe.least_contrast:
            break
        for other, reach in scores:  # what this square explains is not found again
            near = max(size, reach) // 2
            other[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1] = 0
        square = (2.0 * column - size, 2.0 * row - size, 2.0 * size)
        box = _box(shown, square, (left, top), area, side, recipe, height)
        if not any(_same(box, earlier) for earlier in boxes):
            boxes.append(box)
    return boxes


def contrast_with_surroundings(moving: Floats, side: int) -> Floats:
    """Subtract the mean motion around each square of `side` from that within it; 0 where it would leave the picture."""
    around = 2 * round(_AROUND * side / 2) + side % 2
    inner, outer = (
        cv2.boxFilter(moving, -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)
        for size in (side, around)
    )
    held = _held(moving.shape, around) - side * side
    found = inner / (side * side) - (outer - inner) / np.maximum(held, 1)
    half = side // 2
    found[:half], found[-half:], found[:, :half], found[:, -half:] = 0, 0, 0, 0
    return np.asarray(found, np.float32)


def _smooth(found: Floats, side: int) -> Floats:
    """Prefer the middle one of squares that are as good."""
    reach = side // 3 | 1
    return np.asarray(cv2.blur(found, (reach, reach)), np.float32)


@lru_cache(64)
def _held(shape: tuple[int, int], side: int) -> Floats:
    """Count the pixels of the picture in the square of `side` around each pixel."""
    low, high = side // 2, side - side // 2
    counts = [np.minimum(np.arange(n) + high, n) - np.maximum(np.arange(n) - low, 0) for n in shape]
    return np.outer(*counts).astype(np.float32)


def _same(one: Box, other: Box) -> bool:
    """Return whether the crops or the cores of two boxes overlap so much that one box is redundant."""
    crops = [(left, top, side, side) for left, top, side in (one.crop, other.crop)]
    cores = [(x - w / 2, y - h / 2, w, h) for x, y, w, h in (one.core, other.core)]
    return _common(*crops) > _OVERLAP or _common(*cores) > _PART


def _common(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return the area common to two rectangles (left, top, width, height) as a share of the smaller one."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down) / min(one[2] * one[3], other[2] * other[3])


def _box(
    shown: Floats,
    square: tuple[float, float, float],
    corner: tuple[int, int],
    area: Area,
    crop: float,
    recipe: Mining,
    contrast: float,
) -> Box:
    """Put the core on the motion within a square of the small picture, and the crop around it."""
    place, extent = [square[0] + square[2] / 2, square[1] + square[2] / 2], [square[2], square[2]]
    for _ in range(3):  # the square may have cut the object
        lows = [max(0, round(middle - _GROWN * size / 2)) for middle, size in zip(place, extent, strict=True)]
        highs = [round(middle + _GROWN * size / 2) for middle, size in zip(place, extent, strict=True)]
        inside = shown[lows[1] : highs[1], lows[0] : highs[0]]
        found = cv2.moments(inside)
        for axis, (first, second) in enumerate((("m10", "mu20"), ("m01", "mu02"))):
            place[axis] = lows[axis] + found[first] / found["m00"]
            spread = sqrt(max(0.0, found[second] / found["m00"]))
            extent[axis] = min(max(2 * _CORE * spread, _LEAST_CORE), inside.shape[1 - axis])
    x, y = (2 * (v + c) + 0.5 for v, c in zip(place, corner, strict=True))
    width, height = (2 * v for v in extent)
    needed = max(width, height)
    if recipe.crop_follows_size:
        crop = float(np.clip(crop, _TIGHT * needed, _WIDE * needed))
    crop = min(crop, area.width, area.height)
    at_x = min(max(x - crop / 2, area.left), area.right - crop)
    at_y = min(max(y - crop / 2, area.top), area.bottom - crop)
    return Box((at_x, at_y, crop), (x, y, width, height), contrast)
