"""Lumas of one window and the camera's way come in; how much of what is around a point stands on the screen goes out.

Text, watermarks and bars stand while the camera moves, and corners where the background shows beside them seem to move
on their own. An edge of steepness g that moved by d pixels changed by g · d grey levels. So where the mean of the lumas
is steep and the lumas hardly differ, although the background moved across, an edge stood: to within a fraction of a
pixel, by which an object that a camera follows trembles more.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_TREMBLE = 0.6  # pixels, standard deviation, by which a standing edge may seem to move: noise, what shines through
_MOVED = 0.5  # the same for the background, across the edge: below it there is nothing to tell
_STEEP = 4.0  # grey levels a pixel, of an edge that says something
_REACH = 4  # pixels around a point: what Lucas-Kanade compares


def standing_share(lumas: Sequence[Luma], places: Floats, ways: Doubles) -> Floats:
    """Say which share of the edges around each of (N, 2) places in the first luma stands: (N,) in 0..1.

    `ways` (K+1, N, 2) is where the background went that was at each place.
    """
    pictures = np.stack(lumas).astype(np.float32)
    mean = pictures.mean(axis=0)
    spread = np.square(pictures - mean).mean(axis=0)
    place = np.clip(places.astype(int), 0, [mean.shape[1] - 1, mean.shape[0] - 1])
    near = np.arange(-_REACH, _REACH + 1)
    rows = np.clip(place[:, 1, None, None] + near[:, None], 0, mean.shape[0] - 1)
    columns = np.clip(place[:, 0, None, None] + near[None], 0, mean.shape[1] - 1)
    across, down = (slopes[rows, columns] for slopes in _slopes(mean))
    moved = ways - ways.mean(axis=0)
    xx, yy = np.square(moved).mean(axis=0).T[:, :, None, None]
    xy = moved.prod(axis=2).mean(axis=0)[:, None, None]
    steep = np.square(across) + np.square(down)
    # grey levels squared by which the edge would have changed, had it gone with the background
    with_background = np.square(across) * xx + 2 * across * down * xy + np.square(down) * yy
    stands = (steep > _STEEP**2) & (with_background > _MOVED**2 * steep)
    stands &= spread[rows, columns] < _TREMBLE**2 * steep
    edges = sum(np.square(slopes)[rows, columns] for slopes in _slopes(pictures[0]))
    return np.asarray((steep * stands).sum(axis=(1, 2)) / np.maximum(edges.sum(axis=(1, 2)), 1.0), np.float32)


def _slopes(picture: Floats) -> tuple[Floats, Floats]:
    """Take the slopes across and down, in grey levels a pixel."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)
