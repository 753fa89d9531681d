"""Camera motion between two frames, fitted on corner points and judged on the whole picture.

Three hypotheses are compared: the camera is still, it moves as most points do, or it moves as the points near the
picture's border do. The hypothesis with the least difference between the aligned pictures is chosen. Differences near
the border have a larger weight, because an object may fill the middle of the picture. A second plane (such as the
ground in front of far hills) is added if the remaining points fit one and reach both sides of the picture. See
docs/decisions/0105.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.faint import faint_motion
from workers.mining.recipe import Mining
from workers.mining.residual import Picture, residual, residual_and_noise, scaled_up
from workers.mining.view import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_WINDOW = (9, 9)  # pixels that Lucas-Kanade compares; 13 costs twice as much
_LEVELS = 3  # halvings of the picture in which it searches
_STOP = (3, 10, 0.1)  # iterations at most, smallest step in pixels; .03 gives equal positions, a fifth slower
_LEAST_POINTS, _ENOUGH = 12, 150  # points for a homography
_FEW = 30  # points below which the pixels outside them are asked too
_LEAST_SPREAD = 0.25  # share of the picture within which most of the points lie
_BAND = 0.2  # of the picture's sides: the border
_STANDS = 0.6  # weighted share of still texture above which no moving hypothesis is tried
_STILL = 0.1  # maximum residual of still texture, in pixels of the small picture
_QUIET = 3.0  # grey levels of noise; with more noise, the whole picture may have moved
_CLEARER = 0.6  # a hypothesis that leaves less than this share of the noise is chosen whatever the residuals are
_EXPLAINED = 0.35  # maximum residual of a pixel that the background's motion explains
_GAIN = 0.98  # a moving hypothesis must leave less than this share of the still hypothesis's difference
_ONE_PLANE = 0.85  # support above which no second plane is fitted
_SECOND = 40  # points for a second plane ...
_BOTH = 0.08  # ... and the share of them near the left border, and near the right one


@dataclass(frozen=True, slots=True)
class Camera:
    """Motion of the background from one frame to another, in luma pixels."""

    planes: tuple[Doubles, ...]  # homographies (3, 3); the first is the camera's motion
    support: float  # share of the picture that it explains, the border counting more

    @property
    def main(self) -> Doubles:
        """Return the homography of the larger plane."""
        return self.planes[0]

    @property
    def stands(self) -> bool:
        """Return whether the camera is still."""
        return len(self.planes) == 1 and bool((self.planes[0] == np.eye(3)).all())

    def inverse(self) -> "Camera":
        """Return the motion from the later frame to the earlier one."""
        planes = tuple(np.asarray(np.linalg.inv(plane), np.float64) for plane in self.planes)
        return Camera(planes, self.support)

    def then(self, other: "Camera") -> "Camera":
        """Return this motion followed by another; only the first planes are known to belong together."""
        if self.stands:
            return other
        return Camera((other.main @ self.main,), min(self.support, other.support))


STANDING = Camera((np.eye(3),), 1.0)


def corners(luma: Luma, recipe: Mining) -> Floats:
    """Return the best corner of each cell of the picture: (N, 2) float32, x and y in luma pixels."""
    cell = recipe.cell
    strength = cv2.cornerMinEigenVal(luma, 3)
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell
    blocks = strength[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3)
    flat = blocks.reshape(rows, columns, -1)
    best = flat.argmax(axis=2)
    row, column = np.nonzero(np.take_along_axis(flat, best[..., None], axis=2)[..., 0] > recipe.corner_quality)
    within = best[row, column]
    return np.stack([column * cell + within % cell, row * cell + within // cell], axis=1).astype(np.float32)


def camera_motion(first: Picture, second: Picture, recipe: Mining) -> tuple[Camera, Floats]:
    """Fit the background's motion from one picture to another.

    Also returns the residual of `first` against it, as `residual` does.
    """
    weights = _weights(first.detail.shape)
    standing, noise = residual_and_noise(first, second, np.eye(3))
    texture = weights * first.textured
    total = float(texture.sum())
    still = _sum(texture, standing < _STILL) > _STANDS * total
    if total == 0 or (still and noise < _QUIET):
        return Camera((np.eye(3),), _support(standing, weights)), standing
    places, there = _followed(first.grey, second.grey, recipe)
    spread_out = _spread_out(places, first.grey.shape)
    if len(places) < _FEW or not spread_out:
        faint = faint_motion(first.grey, second.grey, places)
        if faint is not None:
            moved = residual(first, second, [faint])
            return Camera((scaled_up(faint),), _support(moved, weights)), moved
    if not spread_out:
        return Camera((np.eye(3),), _support(standing, weights)), standing
    left = _sum(weights, np.minimum(standing, 1)) * _GAIN
    found: Doubles | None = None
    least, support = standing, _support(standing, weights)
    for use in (slice(None), _near_border(places, first.grey.shape)):
        if found is not None and support > recipe.least_support:
            break
        candidate = _homography(places[use], there[use], recipe)
        if candidate is None:
            continue
        moved, rest = residual_and_noise(first, second, candidate)
        lost = _sum(weights, np.minimum(moved, 1))
        if lost < left or rest < _CLEARER * noise:
            left, noise, found, least, support = lost, rest, candidate, moved, _support(moved, weights)
    if found is None:
        return Camera((np.eye(3),), support), standing
    plane = None
    if support < _ONE_PLANE:
        plane = _second_plane(places, there, found, first.grey.shape, recipe)
    if plane is None:
        return Camera((scaled_up(found),), support), least
    return Camera((scaled_up(found), scaled_up(plane)), support), np.minimum(least, residual(first, second, [plane]))


@lru_cache(16)
def _weights(shape: tuple[int, int]) -> Floats:
    """Weigh the pixels of the small picture: 1 at the border, 0.3 inside."""
    weights = np.full(shape, 0.3, np.float32)
    rows, columns = round(shape[0] * _BAND), round(shape[1] * _BAND)
    weights[:rows], weights[-rows:], weights[:, :columns], weights[:, -columns:] = 1, 1, 1, 1
    return weights


def _support(left: Floats, weights: Floats) -> float:
    return _sum(weights, left < _EXPLAINED) / float(weights.sum())


def _sum(weights: Floats, of: Floats | Flags) -> float:
    """Return the weighted sum of an (h, w) array."""
    return float(np.vdot(weights, of.astype(np.float32, copy=False)))


def _spread_out(places: Floats, shape: tuple[int, int]) -> bool:
    """Return whether (N, 2) points reach across the picture; those of one object on a plain ground do not."""
    if len(places) < _LEAST_POINTS:
        return False
    low, high = np.percentile(places, (5, 95), axis=0)
    return float((high - low).prod()) > _LEAST_SPREAD * shape[0] * shape[1]


def _near_border(places: Floats, shape: tuple[int, int]) -> Flags:
    height, width = shape
    return np.asarray((np.abs(places / [width, height] - 0.5) > 0.5 - _BAND).any(axis=1), np.bool_)


def _second_plane(
    places: Floats, there: Floats, first: Doubles, shape: tuple[int, int], recipe: Mining
) -> Doubles | None:
    """Fit a second homography to the points that the first does not explain; None unless they reach both sides."""
    rest = np.hypot(*(mapped(first, places) - there).T) > 1.5 * recipe.inlier
    if rest.sum() < max(_SECOND, 0.15 * len(places)):
        return None
    found = _homography(places[rest], there[rest], recipe)
    if found is None:
        return None
    inliers = np.hypot(*(mapped(found, places[rest]) - there[rest]).T) < recipe.inlier
    if inliers.sum() < max(_SECOND, 0.5 * rest.sum()):
        return None
    across = places[rest][inliers, 0] / shape[1]
    both_sides = min(float((across < _BAND).mean()), float((across > 1 - _BAND).mean()))
    return found if both_sides > _BOTH else None  # ground reaches both sides; an object as wide would be rare


def _homography(places: Floats, there: Floats, recipe: Mining) -> Doubles | None:
    """Fit a homography by a locally optimised RANSAC."""
    if len(places) < _LEAST_POINTS:
        return None
    some = slice(None, None, max(1, len(places) // _ENOUGH))
    # More inliers than plain RANSAC of 250 rounds, in a third of its time.
    fitted, _ = cv2.findHomography(places[some], there[some], cv2.USAC_FAST, recipe.inlier, maxIters=250)
    # A mirrored or collapsed picture is a failed fit.
    return None if fitted is None or not 0.2 < np.linalg.det(fitted) < 5 else np.asarray(fitted, np.float64)


def _followed(before: Luma, after: Luma, recipe: Mining) -> tuple[Floats, Floats]:
    """Follow corners by pyramidal Lucas-Kanade and keep those that the way back confirms: (N, 2) before and after."""
    places = corners(before, recipe)
    if not len(places):
        return places, places
    there, found = _flow(before, after, places, places, _LEVELS)
    # The way back only has to meet the place it came from: no pyramid, a quarter of the time.
    back, returned = _flow(after, before, there, places, 0)
    height, width = before.shape
    kept = found & returned & (np.hypot(*(back - places).T) < recipe.backward_error)
    kept &= (there >= 1).all(axis=1) & (there[:, 0] < width - 1) & (there[:, 1] < height - 1)
    return places[kept], there[kept]


def _flow(before: Luma, after: Luma, places: Floats, guess: Floats, levels: int) -> tuple[Floats, Flags]:
    """Find (N, 2) places again in the next luma, beginning at `guess`, and say which were found."""
    asked = np.ascontiguousarray(places, np.float32).reshape(-1, 1, 2)
    begin = np.array(guess, np.float32).reshape(-1, 1, 2)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, asked, begin, winSize=_WINDOW, maxLevel=levels, criteria=_STOP, flags=flags
    )
    return np.asarray(there, np.float32).reshape(-1, 2), np.asarray(found).ravel() == 1


def mapped(homography: Doubles, places: NDArray[np.floating]) -> Doubles:
    """Map (N, 2) places by a homography."""
    homogeneous = places @ homography[:, :2].T + homography[:, 2]
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], np.float64)
