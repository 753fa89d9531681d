"""Lumas of one shot in; how corner points and the camera moved in each of its windows out.

Points are chained from each window's first frame: heat gathered over pairs of frames smears, and its box is misplaced.
Windows overlap, so all share one chain: a window starts on the points that live in its first frame and on new corners
where there are none. This stands where the paper has Improved Dense Trajectories (4.1); see docs/decisions/0101.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import Luma
from workers.mining.recipe import Mining

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_WINDOW = (9, 9)  # pixels that Lucas-Kanade compares; 13 costs twice as much and loses small movers
_STOP = (3, 10, 0.03)  # at most ten iterations, or steps under 0.03 pixels
_ENOUGH = 200  # points for a homography
_MEMORY = 5  # steps after which a point that left the camera's motion is believed again


@dataclass(frozen=True, slots=True)
class Motion:
    """The way of N points over the K steps of a window, in luma pixels."""

    points: Floats  # (K+1, N, 2); a lost point stays where it was last seen
    alive: Flags  # (K+1, N)
    camera: Doubles  # (K, 3, 3) homographies from step k to k+1
    inliers: Floats  # (K,) share of the living points that move with the camera
    net: Doubles  # (N, 2) residuals to the camera's motion, summed as vectors, where that was farthest
    moving: Flags  # (N,) the net residual is long, and coherent
    backward: Floats  # (K+1, N) by how much tracking a point back missed; 0 in the first frame
    overlay: Flags  # (N,) stands still on the screen while the camera moves: text, watermarks, bars

    def background_at(self, place: Doubles) -> Doubles:
        """Follow the background from `place` (2,) in the first frame: (K+1, 2) places."""
        way = [np.asarray(place, np.float64)]
        for step in self.camera:
            way.append(_apply(step, way[-1][None])[0])
        return np.stack(way)

    def object_at(self, members: Flags) -> Doubles:
        """Follow the median of the points in `members` (N,): (K+1, 2) displacements, NaN once none is alive."""
        way = np.zeros((len(self.points), 2))
        for k in range(1, len(self.points)):
            use = members & self.alive[k]
            if not use.any():
                way[k:] = np.nan
                break
            way[k] = way[k - 1] + np.median(self.points[k, use] - self.points[k - 1, use], axis=0)
        return way


def corners(luma: Luma, recipe: Mining, taken: Floats | None = None) -> Floats:
    """Pick the best corner of each cell of the picture where no point of `taken` (M, 2) is: (N, 2) as x, y."""
    cell = recipe.cell
    strength = cv2.cornerMinEigenVal(luma, 3)
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell
    blocks = strength[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3)
    flat = blocks.reshape(rows, columns, -1)
    best = flat.argmax(axis=2)
    wanted = np.take_along_axis(flat, best[..., None], axis=2)[..., 0] > recipe.corner_quality
    if taken is not None and len(taken):
        at = np.clip(taken // cell, 0, [columns - 1, rows - 1]).astype(int)
        wanted[at[:, 1], at[:, 0]] = False
    row, column = np.nonzero(wanted)
    within = best[row, column]
    return np.stack([column * cell + within % cell, row * cell + within // cell], axis=1).astype(np.float32)


def follow(lumas: Sequence[Luma], starts: Sequence[int], span: int, recipe: Mining) -> list[Motion | None]:
    """Follow the windows that begin at `starts` and last `span` steps of `lumas`, which are `step` frames apart.

    A window is None when it has too few corners to know anything.
    """
    asked = {k for start in starts for k in range(start, start + span)}
    points = np.zeros((len(lumas), 0, 2), np.float32)
    alive = np.zeros((len(lumas), 0), bool)
    backward = np.zeros((len(lumas), 0), np.float32)
    strayed = np.zeros(0, int)  # the last step in which a point did not go with the camera
    camera = np.repeat(np.eye(3)[None], len(lumas), axis=0)
    inliers = np.zeros(len(lumas), np.float32)
    for k in range(len(lumas) - 1):
        if k in starts:
            new = corners(lumas[k], recipe, points[k, alive[k]])
            points = np.concatenate([points, np.repeat(new[None], len(lumas), axis=0)], axis=1)
            alive = np.concatenate([alive, np.zeros((len(lumas), len(new)), bool)], axis=1)
            alive[k, -len(new) or alive.shape[1] :] = True
            backward = np.concatenate([backward, np.zeros((len(lumas), len(new)), np.float32)], axis=1)
            strayed = np.concatenate([strayed, np.full(len(new), -_MEMORY)])
        living = np.flatnonzero(alive[k])
        if k not in asked or not len(living):
            continue
        before = points[k, living]
        after, missed, kept = _step(lumas[k], lumas[k + 1], before, recipe)
        living, before, after = living[kept], before[kept], after[kept]
        backward[k + 1, living] = missed[kept]
        points[k + 1 : k + span + 1, living] = after  # also where a point that gets lost is last seen
        alive[k + 1, living] = True
        fitted = _camera_step(before, after, strayed[living] <= k - _MEMORY, recipe)
        if fitted is not None:
            camera[k] = fitted
            near = _length(after - _apply(fitted, before)) < recipe.inlier
            inliers[k] = near.mean()
            strayed[living[~near]] = k
    return [_window(points, alive, backward, camera, inliers, start, span, recipe) for start in starts]


def _window(
    points: Floats,
    alive: Flags,
    backward: Floats,
    camera: Doubles,
    inliers: Floats,
    start: int,
    span: int,
    recipe: Mining,
) -> Motion | None:
    """Take one window out of the chain and say which of its points move on their own."""
    use = np.flatnonzero(alive[start])
    if len(use) < 4 * recipe.least_moving:
        return None
    points, alive = points[start : start + span + 1, use], alive[start : start + span + 1, use]
    backward = backward[start : start + span + 1, use]
    camera, inliers = camera[start : start + span], inliers[start : start + span]
    expected = np.stack([_apply(step, places) for step, places in zip(camera, points[:-1], strict=True)])
    lived = alive[1:, :, None]
    residual = np.where(lived, points[1:] - expected, 0)
    sums = residual.cumsum(axis=0)  # (K, N, 2)
    path = _length(residual).cumsum(axis=0)
    farthest = _length(sums).argmax(axis=0)
    each = np.arange(len(use))
    net, way = sums[farthest, each], path[farthest, each]
    total = _length(net)
    drift = _length(np.where(lived, expected - points[:-1], 0)).sum(axis=0)
    walked = _length(np.where(lived, points[1:] - points[:-1], 0)).sum(axis=0)
    seen = alive.sum(axis=0) > min(3, span)
    overlay = seen & (walked < 0.15 * drift) & (drift > 3 * recipe.net_motion)
    moving = seen & ~overlay & (total > recipe.net_motion) & (total > recipe.coherence * way)
    return Motion(points, alive, camera, inliers, net, moving, backward, overlay)


def _step(before: Luma, after: Luma, places: Floats, recipe: Mining) -> tuple[Floats, Doubles, Flags]:
    """Move points by pyramidal Lucas-Kanade; also by how much each misses on its way back, and which are kept."""
    there, found = _flow(before, after, places)
    back, returned = _flow(after, before, there)
    height, width = before.shape
    inside = (there >= 1).all(axis=1) & (there[:, 0] < width - 1) & (there[:, 1] < height - 1)
    missed = _length(back - places)
    return there, missed, found & returned & (missed < recipe.backward_error) & inside


def _flow(before: Luma, after: Luma, places: Floats) -> tuple[Floats, Flags]:
    """Find (N, 2) places again in the next luma, and say which were found."""
    asked = np.ascontiguousarray(places, np.float32).reshape(-1, 1, 2)
    guess = np.empty_like(asked)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, asked, guess, winSize=_WINDOW, maxLevel=3, criteria=_STOP)
    return np.asarray(there, np.float32).reshape(-1, 2), np.asarray(found).ravel() == 1


def _camera_step(before: Floats, after: Floats, steady: Flags, recipe: Mining) -> Doubles | None:
    """Fit the camera's homography by RANSAC, on the points that went with it lately where they are enough."""
    use = steady if steady.sum() >= max(20, len(steady) // 5) else np.ones(len(steady), bool)
    if use.sum() < 8:
        return None
    # A standing camera is the commonest one, and a fitted homography would only add its noise.
    if (_length(after[use] - before[use]) < recipe.standing).mean() > 0.5:
        return np.eye(3)
    some = np.flatnonzero(use)
    some = some[:: max(1, len(some) // _ENOUGH)]
    fitted, _ = cv2.findHomography(before[some], after[some], cv2.RANSAC, recipe.inlier, maxIters=250)
    return None if fitted is None else np.asarray(fitted, np.float64)


def _apply(homography: Doubles, places: NDArray[np.floating]) -> Doubles:
    """Map (N, 2) places."""
    mapped = places @ homography[:, :2].T + homography[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


def _length(vectors: NDArray[np.floating]) -> Doubles:
    """Measure vectors in the last axis."""
    return np.asarray(np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=-1)), np.float64)
