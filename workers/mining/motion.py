"""Lumas of one shot in; how corner points and the camera moved in each of its windows out.

Points are chained from each window's first frame: heat gathered over pairs of frames smears, and its box is misplaced.
Windows overlap, so all share one chain: a window starts on the points that live in its first frame and on new corners
where there are none. This stands where the paper has Improved Dense Trajectories (4.1); see docs/decisions/0101.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import Luma
from workers.mining.recipe import Mining
from workers.mining.standing import standing_share

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_WINDOW = (9, 9)  # pixels that Lucas-Kanade compares; 13 costs twice as much and loses small movers
_STOP = (3, 10, 0.1)  # at most ten iterations, or steps under 0.1 pixels: .03 ends at the same place a fifth later
_ENOUGH = 200  # points for a homography
_STANDS = 0.1  # share of the edges around a point that stand on the screen; more of them is an overlay's
_MEMORY = 5  # steps after which a point that left the camera's motion is believed again


@dataclass(frozen=True, slots=True)
class Motion:
    """The way of N points over the K steps of a window, in luma pixels."""

    points: Floats  # (K+1, N, 2); a lost point stays where it was last seen
    alive: Flags  # (K+1, N)
    camera: Doubles  # (K, 3, 3) homographies from step k to k+1
    inliers: Floats  # (K,) share of the living points that move with the camera
    net: Floats  # (N, 2) residuals to the camera's motion, summed as vectors, where that was farthest
    moving: Flags  # (N,) the net residual is long, and coherent
    backward: Floats  # (K+1, N) by how much tracking a point back missed; 0 in the first frame
    overlay: Flags  # (N,) stands still on the screen while the camera moves: text, watermarks, bars

    def background_at(self, place: Doubles) -> Doubles:
        """Follow the background from `place` (2,) in the first frame: (K+1, 2) places."""
        return _carried(place[None], self.camera)[:, 0]

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
    chain = _Chain.of(len(lumas))
    strayed = np.zeros(0, int)  # the last step in which a point did not go with the camera
    used: dict[int, NDArray[np.int64]] = {}  # the points of each window
    for k in range(len(lumas) - 1):
        if k in starts:
            lone = _one_per_cell(chain.points[k], np.flatnonzero(chain.alive[k]), recipe)
            new = corners(lumas[k], recipe, chain.points[k, lone])
            used[k] = np.concatenate([lone, chain.points.shape[1] + np.arange(len(new))])
            chain = chain.with_corners(k, new)
            strayed = np.concatenate([strayed, np.full(len(new), -_MEMORY)])
        asked = np.zeros(chain.points.shape[1], bool)
        for start in used:
            if start <= k < start + span:
                asked[used[start]] = True
        living = np.flatnonzero(asked & chain.alive[k])
        if not len(living):
            continue
        before = chain.points[k, living]
        after, missed, kept = _step(lumas[k], lumas[k + 1], before, recipe)
        living, before, after = living[kept], before[kept], after[kept]
        fitted = _camera_step(before, after, strayed[living] <= k - _MEMORY, recipe)
        expected = before if fitted is None else _apply(fitted, before)
        residual = after - expected
        chain.points[k + 1, living], chain.alive[k + 1, living] = after, True
        chain.residual[k, living], chain.backward[k + 1, living] = residual, missed[kept]
        chain.drift[k, living] = _length(expected - before)
        if fitted is not None:
            near = _length(residual) < recipe.inlier
            chain.camera[k], chain.inliers[k] = fitted, near.mean()
            strayed[living[~near]] = k
    return [_window(chain, lumas, used[start], start, span, recipe) for start in starts]


def _one_per_cell(places: Floats, living: NDArray[np.int64], recipe: Mining) -> NDArray[np.int64]:
    """Take of the `living` points the oldest in each cell: where points ran together, one tells what all would."""
    cells = (places[living] // recipe.cell).astype(int)
    _, first = np.unique(cells[:, 0] + (cells[:, 1] << 16), return_index=True)
    return living[np.sort(first)]


@dataclass(frozen=True, slots=True)
class _Chain:
    """All points of a piece of a shot: N points in K+1 lumas, and what became of them in each of the K steps."""

    points: Floats  # (K+1, N, 2)
    alive: Flags  # (K+1, N)
    backward: Floats  # (K+1, N)
    residual: Floats  # (K, N, 2) to the camera's motion
    drift: Floats  # (K, N) how far the camera's motion took the place of the point
    camera: Doubles  # (K, 3, 3)
    inliers: Floats  # (K,)

    @classmethod
    def of(cls, lumas: int) -> "_Chain":
        """Begin without points."""
        steps = lumas - 1
        flat, pairs = np.zeros((steps, 0), np.float32), np.zeros((steps, 0, 2), np.float32)
        places, alive = np.zeros((lumas, 0, 2), np.float32), np.zeros((lumas, 0), bool)
        camera = np.repeat(np.eye(3)[None], steps, axis=0)
        return cls(places, alive, alive.astype(np.float32), pairs, flat, camera, np.zeros(steps, np.float32))

    def with_corners(self, k: int, new: Floats) -> "_Chain":
        """Add points that begin in luma `k`."""
        grown = {
            name: np.concatenate([old, np.zeros((len(old), len(new), *old.shape[2:]), old.dtype)], axis=1)
            for name in ("points", "alive", "backward", "residual", "drift")
            for old in [getattr(self, name)]
        }
        count = self.points.shape[1]
        grown["points"][k, count:], grown["alive"][k, count:] = new, True
        return replace(self, **grown)


def _window(
    chain: _Chain, pictures: Sequence[Luma], use: NDArray[np.int64], start: int, span: int, recipe: Mining
) -> Motion | None:
    """Take the points `use` of one window out of the chain and say which of them move on their own."""
    if len(use) < 4 * recipe.least_moving:
        return None
    lumas, steps = slice(start, start + span + 1), slice(start, start + span)
    alive = chain.alive[lumas, use]
    last_seen = np.minimum(np.arange(span + 1)[:, None], alive.sum(axis=0) - 1)
    points = chain.points[start + last_seen, use]
    residual = chain.residual[steps, use]
    sums, path = residual.cumsum(axis=0), _length(residual).cumsum(axis=0)
    farthest, each = _length(sums).argmax(axis=0), np.arange(len(use))
    net, way = sums[farthest, each], path[farthest, each]
    total = _length(net)
    lived, drift = alive[1:].sum(axis=0), chain.drift[steps, use].sum(axis=0)
    seen = lived >= min(3, span)
    passed, overlay = drift > 3 * recipe.net_motion, np.zeros(len(use), bool)  # where the camera stands, all does
    if passed.any():
        begin = points[0, passed]
        overlay[passed] = standing_share(pictures[lumas], begin, _carried(begin, chain.camera[steps])) > _STANDS
    moving = seen & ~overlay & (total > recipe.net_motion) & (total > recipe.coherence * way)
    backward = chain.backward[lumas, use]
    return Motion(points, alive, chain.camera[steps], chain.inliers[steps], net, moving, backward, overlay)


def _step(before: Luma, after: Luma, places: Floats, recipe: Mining) -> tuple[Floats, Doubles, Flags]:
    """Move points by pyramidal Lucas-Kanade; also by how much each misses on its way back, and which are kept."""
    there, missed = places.copy(), np.zeros(len(places))
    kept = np.ones(len(places), bool)
    changed = np.flatnonzero(_changed(before, after, places))  # the rest stands: no need to look for it
    if len(changed):
        asked = places[changed]
        found_at, found = _flow(before, after, asked, asked, 3)
        # Back from there only to see whether it meets the place it came from: no pyramid, a quarter of the time.
        back, returned = _flow(after, before, found_at, asked, 0)
        there[changed], missed[changed] = found_at, _length(back - asked)
        kept[changed] = found & returned & (missed[changed] < recipe.backward_error)
    height, width = before.shape
    inside = (there >= 1).all(axis=1) & (there[:, 0] < width - 1) & (there[:, 1] < height - 1)
    return there, missed, kept & inside


def _changed(before: Luma, after: Luma, places: Floats) -> Flags:
    """Say around which of (N, 2) places two lumas differ by half a grey level or more on average."""
    change = cv2.blur(cv2.absdiff(before, after), _WINDOW)
    at = places.astype(int)
    return np.asarray(change[at[:, 1], at[:, 0]] > 0, np.bool_)


def _flow(before: Luma, after: Luma, places: Floats, guess: Floats, levels: int) -> tuple[Floats, Flags]:
    """Find (N, 2) places again in the next luma, beginning at `guess`, and say which were found."""
    asked = np.ascontiguousarray(places, np.float32).reshape(-1, 1, 2)
    begin = np.array(guess, np.float32).reshape(-1, 1, 2)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, asked, begin, winSize=_WINDOW, maxLevel=levels, criteria=_STOP, flags=flags
    )
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
    # A locally optimised RANSAC: more inliers than plain RANSAC of 250 rounds, in a third of its time.
    fitted, _ = cv2.findHomography(before[some], after[some], cv2.USAC_FAST, recipe.inlier, maxIters=250)
    return None if fitted is None else np.asarray(fitted, np.float64)


def _carried(places: NDArray[np.floating], camera: Doubles) -> Doubles:
    """Follow the background from (N, 2) places through K steps: (K+1, N, 2)."""
    ways = [places.astype(np.float64)]
    for step in camera:
        ways.append(_apply(step, ways[-1]))
    return np.stack(ways)


def _apply(homography: Doubles, places: NDArray[np.floating]) -> Doubles:
    """Map (N, 2) places."""
    mapped = places @ homography[:, :2].T + homography[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


def _length(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Measure vectors in the last axis."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))
