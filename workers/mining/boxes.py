"""Moving points of one window in; boxes of moving objects out: the crop (section 4.1) and the core to track in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.mining.motion import Flags, Floats, Motion
from workers.mining.recipe import Mining

_GRID = 4  # luma pixels between the places tried
_SMALL = 0.65  # of the core's side, for objects that do not fill it


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the luma that shows the picture: letterbox bars are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns inside."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows inside."""
        return self.bottom - self.top

    def holds(self, places: Floats) -> Flags:
        """Say which of (N, 2) places are inside."""
        x, y = places[:, 0], places[:, 1]
        return (x >= self.left) & (x < self.right) & (y >= self.top) & (y < self.bottom)


@dataclass(frozen=True, slots=True)
class Box:
    """Where an object is in the window's first frame, in luma pixels, and which points (N,) are on it."""

    crop: tuple[float, float, float]  # left, top, side
    core: tuple[float, float, float]  # centre x, centre y, side
    members: Flags


def place_boxes(motion: Motion, area: Area, crop: float, core: float, recipe: Mining) -> list[Box]:
    """Place boxes of side `crop` with a `core` each, without overlap, best first."""
    start = motion.points[0]
    free = motion.moving & area.holds(start)
    still = ~motion.moving & ~motion.overlay & area.holds(start)
    boxes: list[Box] = []
    while free.sum() >= recipe.least_moving:
        found = _best(start[free], area, crop)
        if found is None:
            break
        left, top = found
        inside = _inside(start, left, top, crop)
        members = inside & free
        free = free & ~inside
        if members.sum() < recipe.least_moving:
            break
        if any(_overlap(left, top, other.crop, crop) > 0 for other in boxes):
            continue
        least = recipe.least_moving + recipe.doubt * float((inside & motion.overlay).sum())
        for side in (core, _SMALL * core):
            box = _with_core(start, members, inside & still, (left, top, crop), side, least, recipe)
            if box is not None:
                boxes.append(box)
                break
    return boxes


def _best(places: Floats, area: Area, side: float) -> tuple[float, float] | None:
    """Find the square that holds most of `places`, weighted to its middle: its left and top."""
    return _densest(places, np.ones(len(places)), side, area.left, area.top, area.right, area.bottom)


def _densest(
    places: Floats, weights: NDArray[np.float64], side: float, left: float, top: float, right: float, bottom: float
) -> tuple[float, float] | None:
    """Try squares on a grid inside left..right, top..bottom; the weight of a point falls towards the edges."""
    if right - left < side or bottom - top < side:
        return None
    lefts = np.linspace(left, right - side, int((right - left - side) // _GRID) + 1)
    tops = np.linspace(top, bottom - side, int((bottom - top - side) // _GRID) + 1)
    half = side / 2
    near_x = np.clip(1 - np.abs(places[None, :, 0] - lefts[:, None] - half) / half, 0, None)
    near_y = np.clip(1 - np.abs(places[None, :, 1] - tops[:, None] - half) / half, 0, None)
    heat = near_y @ (near_x * weights).T
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    return float(lefts[column]), float(tops[row])


def _with_core(
    start: Floats,
    members: Flags,
    still: Flags,
    crop: tuple[float, float, float],
    core: float,
    least: float,
    recipe: Mining,
) -> Box | None:
    """Put the core where `least` moving points or more crowd out still ones; None when they do so nowhere."""
    left, top, side = crop
    both = members | still
    weights = np.where(members[both], 1.0, -0.5)
    found = _densest(start[both], weights, core, left, top, left + side, top + side)
    if found is None:
        return None
    inside = _inside(start, *found, core)
    on_object, beside = int((members & inside).sum()), int((still & inside).sum())
    if on_object < least or on_object < recipe.least_core_share * (on_object + beside):
        return None
    return Box(crop, (found[0] + core / 2, found[1] + core / 2, core), members & inside)


def _inside(places: Floats, left: float, top: float, side: float) -> Flags:
    x, y = places[:, 0] - left, places[:, 1] - top
    return (x >= 0) & (x < side) & (y >= 0) & (y < side)


def _overlap(left: float, top: float, other: tuple[float, float, float], side: float) -> float:
    across = side - abs(left - other[0])
    down = side - abs(top - other[1])
    return max(0.0, across) * max(0.0, down)
