"""Test for text, watermarks and bars: edges that are fixed on the screen while the background moves.

At an edge with gradient g, a displacement of d pixels changes the grey by g · d levels. An edge is fixed if the mean of
the lumas has a large gradient there and the lumas hardly differ, although the background moved across the edge. The
test allows a fraction of a pixel; an object that the camera follows moves more than that on the screen.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.motion import mapped
from workers.mining.scene import Scene
from workers.mining.view import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_TREMBLE = 0.6  # pixels, standard deviation, by which a standing edge may seem to move: noise, what shines through
_MOVED = 0.5  # the same for the background, across the edge: below it there is nothing to tell
_STEEP = 4.0  # grey levels a pixel, of an edge that says something
_BESIDE = 0.1  # share of the edges around a pixel that stand; more of them is an overlay's
_EVIDENT = 0.25  # motion of a pixel that is asked about ...
_ASKED = 64  # ... and how many are
_REACH = 4  # luma pixels around a pixel that are compared


def overlay_share(lumas: Sequence[Luma], scene: Scene, first: int, core: tuple[float, float, float, float]) -> float:
    """Return the share of a core's motion that is near edges fixed on the screen, 0..1.

    `lumas` are the window's anchors from anchor `first` of the scene on; `core` is centre and size in luma pixels.
    """
    x, y, width, height = (v / 2 for v in core)
    moving = scene.moving[first]
    left, top = max(0, int(x - width / 2)), max(0, int(y - height / 2))
    rows, columns = np.nonzero(moving[top : int(y + height / 2) + 1, left : int(x + width / 2) + 1] > _EVIDENT)
    if not len(rows):
        return 0.0
    some = np.linspace(0, len(rows) - 1, min(len(rows), _ASKED)).astype(int)
    rows, columns = rows[some] + top, columns[some] + left
    places = np.stack([2 * columns + 0.5, 2 * rows + 0.5], axis=1).astype(np.float32)
    ways = [places.astype(np.float64)]
    for camera in scene.cameras[first : first + len(lumas) - 1]:
        ways.append(mapped(camera.main, ways[-1]))
    weights = moving[rows, columns]
    beside = standing_share(lumas, places, np.stack(ways)) > _BESIDE
    return float((weights * beside).sum() / weights.sum())


def standing_share(lumas: Sequence[Luma], places: Floats, ways: Doubles) -> Floats:
    """Return, for each of (N, 2) places, the share of the edges around it that are fixed: (N,) float32 in 0..1.

    `ways` (K+1, N, 2) is the path of the background point at each place of the first luma, in luma pixels.
    """
    pictures = np.stack(lumas)
    place = np.clip(places.astype(int), 0, [pictures.shape[2] - 1, pictures.shape[1] - 1])
    left, top = np.maximum(place.min(axis=0) - _REACH - 2, 0)
    right, bottom = place.max(axis=0) + _REACH + 3
    part = pictures[:, top:bottom, left:right].astype(np.float32)
    place = place - [left, top]
    mean = part.mean(axis=0)
    spread = np.square(part - mean).mean(axis=0)
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
    edges = sum(np.square(slopes)[rows, columns] for slopes in _slopes(part[0]))
    return np.asarray((steep * stands).sum(axis=(1, 2)) / np.maximum(edges.sum(axis=(1, 2)), 1.0), np.float32)


def _slopes(picture: Floats) -> tuple[Floats, Floats]:
    """Take the slopes across and down, in grey levels a pixel."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)
