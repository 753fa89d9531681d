"""Lumas of one window in; how its corner points and its camera moved out.

Points are chained from the window's first frame: heat gathered over pairs of frames smears, and its box is misplaced.
This stands where the paper has Improved Dense Trajectories (section 4.1); see docs/decisions/0101.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import Luma
from workers.mining.recipe import Mining

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Motion:
    """The way of N points over K steps, in luma pixels."""

    points: Floats  # (K+1, N, 2); a lost point stays where it was last seen
    alive: Flags  # (K+1, N)
    camera: NDArray[np.float64]  # (K, 3, 3) homographies from step k to k+1
    inliers: Floats  # (K,) share of the living points that move with the camera
    net: Floats  # (N, 2) residuals to the camera's motion, summed as vectors
    moving: Flags  # (N,) net residual is long, and coherent
    overlay: Flags  # (N,) stands still on the screen while the camera moves: text, watermarks, bars

    def background_at(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Follow the background from `place` (2,) in the first frame: (K+1, 2)."""
        way = [place]
        for step in self.camera:
            way.append(_apply(step, way[-1][None])[0])
        return np.stack(way)

    def object_at(self, members: Flags) -> NDArray[np.float64]:
        """Follow the median of the points in `members` (N,): (K+1, 2) displacements, NaN once none is alive."""
        way = np.zeros((len(self.points), 2))
        for k in range(1, len(self.points)):
            use = members & self.alive[k]
            if not use.any():
                way[k:] = np.nan
                break
            way[k] = way[k - 1] + np.median(self.points[k, use] - self.points[k - 1, use], axis=0)
        return way


def corners(luma: Luma, recipe: Mining) -> Floats:
    """Pick the best corner of each cell of the picture: (N, 2) as x, y."""
    cell = recipe.cell
    strength = cv2.cornerMinEigenVal(luma, 3)
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell
    blocks = strength[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3)
    flat = blocks.reshape(rows, columns, -1)
    best = flat.argmax(axis=2)
    row, column = np.nonzero(flat.max(axis=2) > recipe.corner_quality)
    within = best[row, column]
    return np.stack([column * cell + within % cell, row * cell + within // cell], axis=1).astype(np.float32)


def follow(lumas: Sequence[Luma], recipe: Mining) -> Motion | None:
    """Chain the first luma's corners through the others; None when there are too few corners to know anything."""
    start = corners(lumas[0], recipe)
    if len(start) < 4 * recipe.least_moving:
        return None
    count = len(start)
    points = np.repeat(start[None], len(lumas), axis=0)
    alive = np.ones((len(lumas), count), bool)
    camera = np.repeat(np.eye(3)[None], len(lumas) - 1, axis=0)
    inliers = np.zeros(len(lumas) - 1, np.float32)
    net = np.zeros((count, 2))
    length = np.zeros(count)
    path = np.zeros(count)
    drift = np.zeros(count)
    steady = np.ones(count, bool)  # went with the camera so far; these are believed first
    for k in range(1, len(lumas)):
        points[k], alive[k] = _step(lumas[k - 1], lumas[k], points[k - 1], alive[k - 1], recipe)
        living = np.flatnonzero(alive[k])
        before, after = points[k - 1, living], points[k, living]
        fitted = _camera_step(before, after, steady[living], recipe)
        if fitted is None:
            continue
        camera[k - 1] = fitted
        expected = _apply(fitted, before)
        residual = after - expected
        length_now = np.hypot(residual[:, 0], residual[:, 1])
        near = length_now < recipe.inlier
        inliers[k - 1] = near.mean()
        steady[living[~near]] = False
        net[living] += residual
        path[living] += length_now
        drift[living] += np.hypot(*(expected - before).T)
        length[living] += np.hypot(*(after - before).T)
    total = np.hypot(net[:, 0], net[:, 1])
    lived = alive.sum(axis=0) > min(3, len(lumas) - 1)
    overlay = lived & (length < 0.15 * drift) & (drift > 3 * recipe.net_motion)
    moving = lived & ~overlay & (total > recipe.net_motion) & (total > recipe.coherence * path)
    return Motion(points, alive, camera, inliers, net.astype(np.float32), moving, overlay)


def _step(before: Luma, after: Luma, places: Floats, alive: Flags, recipe: Mining) -> tuple[Floats, Flags]:
    """Move the living points by pyramidal Lucas-Kanade and keep those that find their way back."""
    index = np.flatnonzero(alive)
    moved, lives = places.copy(), np.zeros_like(alive)
    if not len(index):
        return moved, lives
    place, found = _flow(before, after, places[index])
    back, returned = _flow(after, before, place)
    error = np.hypot(*(back - places[index]).T)
    height, width = before.shape
    inside = (place >= 1).all(axis=1) & (place[:, 0] < width - 1) & (place[:, 1] < height - 1)
    good = found & returned & (error < recipe.backward_error) & inside
    moved[index[good]] = place[good]
    lives[index[good]] = True
    return moved, lives


def _flow(before: Luma, after: Luma, places: Floats) -> tuple[Floats, Flags]:
    """Find (N, 2) places again in the next luma, and say which were found."""
    asked = np.ascontiguousarray(places, np.float32).reshape(-1, 1, 2)
    guess = np.empty_like(asked)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, asked, guess, winSize=(9, 9), maxLevel=3, criteria=(3, 10, 0.03)
    )
    return np.asarray(there, np.float32).reshape(-1, 2), np.asarray(found).ravel() == 1


def _camera_step(before: Floats, after: Floats, steady: Flags, recipe: Mining) -> NDArray[np.float64] | None:
    """Fit the camera's homography by RANSAC, first on the points that went with it so far."""
    use = steady if steady.sum() >= max(20, len(steady) // 5) else np.ones(len(steady), bool)
    if use.sum() < 8:
        return None
    # A standing camera is the commonest one, and a fitted homography would only add its noise.
    if (np.hypot(*(after[use] - before[use]).T) < recipe.standing).mean() > 0.5:
        return np.eye(3)
    fitted, _ = cv2.findHomography(before[use], after[use], cv2.RANSAC, recipe.inlier, maxIters=500)
    return None if fitted is None else np.asarray(fitted, np.float64)


def _apply(homography: NDArray[np.float64], places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map (N, 2) places."""
    mapped = places @ homography[:, :2].T + homography[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)
