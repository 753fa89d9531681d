"""OpenCV's KCF tracker behind the interface of kcf.py, one track at a time, for comparison."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.pixels import Pixels

_SIDE = 96  # pixels of the box it works on; at 227, a prime, it does 2 updates a second instead of 200


class OpenCVKCF:
    """B tracks, each in its own sequence of RGB pictures; OpenCV 5 crashes on single-channel ones."""

    def __init__(
        self,
        pictures: Sequence[Pixels],
        centres: NDArray[np.float64],
        sizes: NDArray[np.float64],
        side: float = _SIDE,
    ) -> None:
        """Start in `pictures[b]` at `centres` (B, 2) with `sizes` (B, 2), x, y in pixels of the picture.

        Pictures with larger boxes than `side` squared are scaled down to it.
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
        """Move every track to its next picture; returns 1 where OpenCV found the object, 0 where it gave up."""
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
