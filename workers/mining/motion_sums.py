"""Sums of the motion in rectangles of many anchor frames, by integral images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]

_AROUND = 1.7  # side of a core's surroundings, in sides of the core


class MotionSums:
    """Integral images of the motion maps of a scene, and of the maps times x and y.

    Centres and sizes are (N, 2) luma pixels as x, y; the maps have half of the luma's size.
    """

    def __init__(self, moving: Sequence[Floats]) -> None:
        """Sum up K maps of one size (h, w)."""
        height, width = moving[0].shape
        down, across = np.mgrid[:height, :width].astype(np.float32)
        self._limits = np.array([width, height])
        self._tables = np.empty((len(moving), height + 1, width + 1, 3))
        for one, table in zip(moving, self._tables, strict=True):
            cv2.integral(cv2.merge([one, one * across, one * down]), sum=table, sdepth=cv2.CV_64F)

    def inside_and_around(self, anchors: Numbers, centres: Doubles, sizes: Doubles) -> tuple[Doubles, Doubles]:
        """Return the mean motion in each core, and in what surrounds it: two (N,) arrays in 0..1."""
        core, core_area = self._sums(anchors, centres, sizes)
        both, both_area = self._sums(anchors, centres, sizes * _AROUND)
        ring = both_area - core_area
        around = np.where(ring > 0, (both[:, 0] - core[:, 0]) / np.maximum(ring, 1), 0.0)
        return core[:, 0] / np.maximum(core_area, 1), around

    def middles(self, anchors: Numbers, centres: Doubles, sizes: Doubles) -> tuple[Doubles, Doubles]:
        """Return the middle of the motion in each core, (N, 2) luma pixels, and the share of the core that moves."""
        sums, areas = self._sums(anchors, centres, sizes)
        total = np.maximum(sums[:, 0], 1e-6)
        return 2 * sums[:, 1:] / total[:, None] + 0.5, sums[:, 0] / np.maximum(areas, 1)

    def _sums(self, anchors: Numbers, centres: Doubles, sizes: Doubles) -> tuple[Doubles, Doubles]:
        """Sum each map and its moments over a rectangle: (N, 3) and its area in pixels of the map (N,)."""
        middle, reach = centres / 2 - 0.25, np.maximum(2.0, sizes / 4)
        left, top = np.clip(np.rint(middle - reach), 0, self._limits).astype(int).T
        right, bottom = np.clip(np.rint(middle + reach), 0, self._limits).astype(int).T
        tables = self._tables
        sums = tables[anchors, bottom, right] - tables[anchors, top, right]
        sums += tables[anchors, top, left] - tables[anchors, bottom, left]
        return sums, np.asarray((right - left) * (bottom - top), np.float64)
