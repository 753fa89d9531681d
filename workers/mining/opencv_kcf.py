"""OpenCV's KCF tracker with the interface of kcf.py, for comparison; it tracks one object at a time."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.pixels import Pixels

_SIDE = 96  # maximum side of the tracked box in pixels; at 227, a prime, it does 2 updates a second instead of 200


class OpenCVKCF:
    """Tracker of B objects, each in its own sequence of RGB pictures; OpenCV 5 crashes on single-channel pictures."""

    def __init__(
        self,
        pictures: Sequence[Pixels],
        centres: NDArray[np.float64],
        sizes: NDArray[np.float64],
        side: float = _SIDE,
    ) -> None:
        """Start on `pictures[b]` at `centres` (B, 2) with `sizes` (B, 2), both x, y in pixels of the picture.

        A picture is scaled down if its box's area exceeds the square of `side`.
        """
        self.centres = np.array(centres, np.float64)
        self.sizes = np.array(sizes, np.float64)
        self._factors = np.minimum(1.0, side / np.sqrt(self.sizes.prod(axis=1)))
        self._trackers = []
        for b, picture in enumerate(pictures):
            tracker = cv2.TrackerKCF.create()
            x, y, w, h = self._box(b)
            tracker.init(self._scaled(b, picture), (round(x), round(y), max(2, round(w)), max(2, round(h))))
            self._trackers.append(tracker)

    def update(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """Move every track to its next picture; returns (B,) 1 if OpenCV found the object, else 0."""
        found = np.zeros(len(pictures), np.float32)
        for b, picture in enumerate(pictures):
            done, (x, y, w, h) = self._trackers[b].update(self._scaled(b, picture))
            found[b] = done
            if done:
                self.centres[b] = np.array([x + w / 2, y + h / 2]) / self._factors[b]
        return found

    def _box(self, b: int) -> NDArray[np.float64]:
        corner = self.centres[b] - self.sizes[b] / 2
        return np.asarray(np.concatenate([corner, self.sizes[b]]) * self._factors[b], np.float64)

    def _scaled(self, b: int, picture: Pixels) -> Pixels:
        factor = float(self._factors[b])
        picture = np.ascontiguousarray(picture[..., ::-1])
        if factor == 1:
            return picture
        return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
