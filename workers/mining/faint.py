"""Camera motion from faint or repeated texture, where corner points are few or lie on one object.

Plain walls, skies and stripes have no corners, but their pixels still say whether the camera moved. An affine motion is
fitted to the pixels outside the corner points by Gauss-Newton (Lucas and Kanade 1981, on the whole region at once). Of
stripes, any motion that puts stripe on stripe explains the ground equally well. See docs/decisions/0110 and 0111.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.view import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_SMOOTH = (3, 3)  # pixels of the small picture that are averaged first
_PAD, _PAD_PIXELS = 0.15, 6  # margin around the corner points' box, in its sides and in pixels
_EDGE = 3  # pixels at the picture's border that are left out
_LEAST_OUTSIDE = 0.1  # share of the picture that must be outside
_ROUNDS = (4, 8)  # steps of the translation, then of the affine motion
_DAMPING = 1e-3  # share of the mean curvature: what stripes do not determine stays small
_LEAST_EXTENT = 0.25  # share of the picture that most of the change reaches over; less is a part of an object
_CHANGED = 0.1  # mean squared grey difference below which nothing tells that the camera moved
_FARTHEST = 0.2  # of the picture's width that its middle may move
_LEFT = 0.25  # largest share of that difference that an accepted motion leaves


def faint_motion(first: Luma, second: Luma, places: Floats) -> Doubles | None:
    """Fit the motion of what lies outside `places` (N, 2), from one small picture to the other, as (3, 3).

    Returns None if nothing moved there, if all that changed lies together, or if no affine motion explains it.
    """
    outside = _outside(places, first.shape)
    if outside.mean() < _LEAST_OUTSIDE:
        return None
    one, other = (np.asarray(cv2.blur(grey.astype(np.float32), _SMOOTH), np.float32) for grey in (first, second))
    changes = np.square(other - one) * outside
    change = float(changes.sum()) / float(outside.sum())
    if change < _CHANGED or _extent(changes) < _LEAST_EXTENT:
        return None
    best, least = None, _LEFT * change
    for motion in _descent(one, other, outside):
        middle = np.array([one.shape[1] / 2, one.shape[0] / 2, 1])
        if np.hypot(*(motion @ middle - middle)[:2]) > _FARTHEST * one.shape[1]:
            break
        aligned, seen = _aligned(other, motion, outside)
        left = _mean(np.square(aligned - one), seen)
        if left < least:
            best, least = motion, left
    return best


def _extent(changes: Floats) -> float:
    """Return the share of the picture in the box that holds nine tenths of the changes along each axis."""
    share = 1.0
    for axis in (0, 1):
        sums = np.cumsum(changes.sum(axis=axis, dtype=np.float64))
        low, high = np.searchsorted(sums, np.array([0.05, 0.95]) * sums[-1])
        share *= float(high - low + 1) / len(sums)
    return share


def _outside(places: Floats, shape: tuple[int, int]) -> Floats:
    """Mark the pixels outside the box that holds most of the points: (h, w) of 0 and 1."""
    marked = np.zeros(shape, np.float32)
    marked[_EDGE:-_EDGE, _EDGE:-_EDGE] = 1
    if len(places):
        low, high = np.percentile(places, (5, 95), axis=0)
        margin = _PAD * (high - low) + _PAD_PIXELS
        (left, top), (right, bottom) = np.maximum(0, low - margin).astype(int), (high + margin + 1).astype(int)
        marked[top:bottom, left:right] = 0
    return marked


def _descent(one: Floats, other: Floats, outside: Floats) -> Iterator[Doubles]:
    """Yield the motions that Gauss-Newton goes through, of a translation first and then of an affine motion."""
    height, width = one.shape
    middle, reach = np.array([width / 2, height / 2]), width / 2
    down, across = np.mgrid[:height, :width].astype(np.float32)
    x, y = (across - middle[0]) / reach, (down - middle[1]) / reach
    slopes = [cv2.Sobel(one, cv2.CV_32F, axis, 1 - axis, ksize=3, scale=1 / 8) for axis in (1, 0)]
    columns = np.stack([*slopes, *(slope * place for slope in slopes for place in (x, y))]).reshape(6, -1)
    motion = np.eye(3)
    for count, rounds in zip((2, 6), _ROUNDS, strict=True):
        for _ in range(rounds):
            aligned, seen = _aligned(other, motion, outside)
            used = columns[:count] * seen.ravel()
            curvature = (used @ columns[:count].T).astype(np.float64)
            curvature += np.eye(count) * (_DAMPING * np.trace(curvature) / count + _DAMPING)
            step = -np.linalg.solve(curvature, (used @ (aligned - one).ravel()).astype(np.float64))
            linear = np.zeros((2, 2)) if count == 2 else step[2:].reshape(2, 2) / reach
            update = np.eye(3)
            update[:2, :2] += linear
            update[:2, 2] = step[:2] - linear @ middle
            motion = motion @ update
            yield motion


def _aligned(other: Floats, motion: Doubles, outside: Floats) -> tuple[Floats, Floats]:
    """Warp the other picture by a motion, and mark what of `outside` it shows."""
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, other.shape[::-1]
    aligned = np.asarray(cv2.warpAffine(other, motion[:2], size, flags=flags, borderValue=-1e4), np.float32)
    return aligned, outside * (aligned >= 0)


def _mean(values: Floats, where: Floats) -> float:
    return float(np.vdot(values, where)) / max(float(where.sum()), 1.0)
