"""Tracks of the boxes of many windows, followed together, each with what is known of its truth (section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.mining.boxes import Area, Box
from workers.mining.kcf import BatchedKCF, Filter
from workers.mining.recipe import Mining
from workers.mining.scene import Scene
from workers.mining.standing import overlay_share
from workers.mining.view import Luma

_FILTER = Filter(grid=36, scales=())  # half the work of 48, and as good on the choosing part: .728 against .736
_STOOD = 0.5  # luma pixels over a whole track; an object that a camera follows trembles more
_TREMBLES = 2.0  # luma pixels that an object which a camera follows moves on the screen, or more
_TOLD = 3.0  # luma pixels that the background moves before what stands on the screen can be told
_PULL = 0.3  # of the way from the filter's centre to the middle of the motion ...
_MOST_PULL = 0.08  # ... and at most this share of the core, at each anchor frame ...
_PULLS = 0.15  # ... where this share of the core moves
_MOST_SHIFT = 0.2  # of the crop's side, or more where the core stays in it
_CORE_IN_CROP = 1.1  # side of the smallest crop, in sides of the core


Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box to be tracked through its window's `lumas`: two to a step of `scene` (see `looked_at`), and the last."""

    lumas: Sequence[Luma]
    scene: Scene
    anchor: int  # of the scene, in which the window begins
    box: Box
    area: Area

    @property
    def anchors(self) -> Sequence[Luma]:
        """Return the lumas of the window's anchor frames."""
        return self.lumas[::2]


@dataclass(frozen=True, slots=True)
class Track:
    """Where the core went, in luma pixels, and what is known of its truth."""

    centres: NDArray[np.float64]  # (2K+1, 2) in the lumas that were looked at, two to a step
    crop: tuple[float, float, float]  # left, top, side in the first luma
    end_crop: tuple[float, float, float]  # in the last one: moved as the core moved
    trust: dict[str, float]

    def why(self) -> str:
        """Say in one line what the trust rests on."""
        known = self.trust
        return (
            f"trust {self.confidence:.2f}: moving {known['moving']:.2f}, contrast {known['contrast']:.2f}, "
            f"peak {known['peak_mean']:.2f}, overlay {known['overlay']:.2f}"
        )

    @property
    def confidence(self) -> float:
        """Return the probability that the track shows one moving object at both ends: 0..1.

        A logistic regression on 159 pairs of the tuning split that were judged by eye (docs/decisions/0105).
        """
        known = self.trust
        score = (
            2.8 * min(1.0, known["peak_mean"])
            + 3.1 * known["moving"]
            + 2.7 * known["moving_last"]
            + 1.0 * np.log2(known["size"] / 40)
            - 2.5
        )
        # What these pairs do not hold, composites do: texture that moves everywhere, and overlays.
        stands_out = min(1.0, max(0.0, known["contrast"]) / 0.15)
        return float(stands_out * max(0.0, 1 - 2 * known["overlay"]) / (1 + np.exp(-score)))


def looked_at(recipe: Mining) -> list[int]:
    """List the frames of a window that the filter looks at: both ends of every step, and one between.

    On the choosing part every second frame ends as near to the object as every frame: .082 of its side against .077.
    """
    between = recipe.step // 2
    return [k for step in range(0, recipe.track_length, recipe.step) for k in (step, step + between)] + [
        recipe.track_length
    ]


def _follow(candidates: Sequence[Candidate]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Follow the cores of B candidates: centres (B, T, 2) in luma pixels and peak responses (B, T-1).

    At each anchor frame a centre is drawn towards the middle of the motion in its core, so that a filter that lost an
    object that bends is led back to it.
    """
    centres = np.array([c.box.core[:2] for c in candidates])
    sizes = np.array([c.box.core[2:] for c in candidates])
    tracker = BatchedKCF([c.lumas[0] for c in candidates], centres, sizes, _FILTER)
    ways, peaks = [tracker.centres], []
    for k in range(1, len(candidates[0].lumas)):
        peaks.append(tracker.update([c.lumas[k] for c in candidates]))
        if k % 2 == 0 and _PULL:
            pulls = [_pull(c, k // 2, centre) for c, centre in zip(candidates, tracker.centres, strict=True)]
            tracker.centres = tracker.centres + np.array(pulls)
        ways.append(tracker.centres)
    return np.stack(ways, axis=1), np.stack(peaks, axis=1)


def _pull(candidate: Candidate, step: int, centre: NDArray[np.float64]) -> tuple[float, float]:
    """Return the way (x, y in luma pixels) from a centre towards the middle of the motion in its core."""
    moving = candidate.scene.moving[candidate.anchor + step]
    left, top, right, bottom = _rectangle(centre, candidate.box.core[2:], 1.2)
    part = moving[top:bottom, left:right]
    total = float(part.sum())
    if total < _PULLS * part.size or not part.size:
        return 0.0, 0.0
    x = float(part.sum(axis=0) @ np.arange(left, left + part.shape[1])) / total
    y = float(part.sum(axis=1) @ np.arange(top, top + part.shape[0])) / total
    away = np.array([2 * x + 0.5, 2 * y + 0.5]) - centre
    most = _MOST_PULL * np.array(candidate.box.core[2:])
    return tuple(np.clip(_PULL * away, -most, most))


def _rectangle(centre: NDArray[np.float64], size: Sequence[float], factor: float) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in the small picture of a core of luma pixels, `factor` times as large."""
    x, y = (float(v) / 2 - 0.25 for v in centre)
    w, h = (max(2.0, v * factor / 4) for v in size)
    return max(0, round(x - w)), max(0, round(y - h)), max(0, round(x + w)), max(0, round(y + h))


def track_all(candidates: Sequence[Candidate], recipe: Mining) -> list[Track | str]:
    """Track all candidates together; each becomes a `Track` or the reason it was refused."""
    if not candidates:
        return []
    ways, peaks = _follow(candidates)
    return [_judge(c, way, peak, recipe) for c, way, peak in zip(candidates, ways, peaks, strict=True)]


def _judge(candidate: Candidate, way: NDArray[np.float64], peaks: NDArray[np.float32], recipe: Mining) -> Track | str:
    """Measure how far the moving region goes with the track; refuse what left the picture or stands on the screen."""
    box, scene, first = candidate.box, candidate.scene, candidate.anchor
    steps = recipe.track_length // recipe.step
    inside, around = np.zeros(steps + 1), np.zeros(steps + 1)
    for k in range(steps + 1):
        inside[k], around[k] = _motion_in(scene.moving[first + k], way[2 * k], box.core[2:])
    background = scene.background(first, first + steps, way[0])
    apart = float(_length((way[::2] - way[0]) - (background - way[0])).max())
    travelled = float(_length(background - way[0]).max())
    stands = overlay_share(candidate.anchors, scene, first, box.core) if travelled > _TOLD else 0.0
    went = float(_length(way[::2] - way[0]).max())
    if stands > recipe.most_overlay or (travelled > _TOLD and went < _STOOD):
        return "stands on the screen"
    if travelled > _TOLD:  # what is half transparent has edges that move, and hardly moves itself
        stands = max(stands, 0.5 * (1 - went / _TREMBLES))
    dx, dy = way[-1] - way[0]
    crop = _crop_inside(box, dx, dy, candidate.area)
    if crop is None:
        return "left the picture"
    cameras = scene.cameras[first : first + steps]
    trust = {
        "peak_mean": float(peaks.mean()),
        "peak_least": float(peaks.min()),
        "moving": float(inside.mean()),
        "moving_least": float(inside.min()),
        "moving_first": float(inside[:2].mean()),
        "moving_last": float(inside[-2:].mean()),
        "contrast": float((inside - around).mean()),
        "contrast_first": box.contrast,
        "contrast_last": float((inside - around)[-2:].mean()),
        "background": float(np.mean([camera.support for camera in cameras])),
        "camera": travelled,
        "apart": apart,
        "overlay": stands,
        "went": went,
        "displacement": float(np.hypot(dx, dy)),
        "size": float(np.sqrt(box.core[2] * box.core[3])),
    }
    track = Track(way, crop, (crop[0] + dx, crop[1] + dy, crop[2]), trust)
    return track if track.confidence >= recipe.least_confidence else _doubt(track)


def _doubt(track: Track) -> str:
    """Name the largest reason to doubt a track."""
    known = track.trust
    if known["contrast"] < 0.1:
        return "moves no more than its surroundings"
    if known["moving_last"] < 0.2:
        return "left behind by what moves"
    if known["peak_mean"] < 0.3:
        return "changes too much to follow"
    return "too small or too still"


def _motion_in(moving: Floats, centre: NDArray[np.float64], size: Sequence[float]) -> tuple[float, float]:
    """Return the mean motion in a core, given in luma pixels, and in what surrounds it (1.7 times the sides)."""
    sums, areas = [], []
    for factor in (1.0, 1.7):
        left, top, right, bottom = _rectangle(centre, size, factor)
        part = moving[top:bottom, left:right]
        sums.append(float(part.sum()))
        areas.append(part.size)
    ring = areas[1] - areas[0]
    return sums[0] / max(areas[0], 1), (sums[1] - sums[0]) / ring if ring > 0 else 0.0


def _crop_inside(box: Box, dx: float, dy: float, area: Area) -> tuple[float, float, float] | None:
    """Shift the first crop so that it and the last one, moved by (dx, dy), lie in the picture.

    Where that is too far a shift, the crop is reduced as far as the core allows; None when that is not enough.
    """
    left, top, side = box.crop
    x, y = left + side / 2, top + side / 2
    least = min(side, _CORE_IN_CROP * max(box.core[2:]))
    while True:
        low_x, high_x = area.left - min(0, dx) + side / 2, area.right - max(0, dx) - side / 2
        low_y, high_y = area.top - min(0, dy) + side / 2, area.bottom - max(0, dy) - side / 2
        if low_x <= high_x and low_y <= high_y:
            at_x, at_y = min(max(x, low_x), high_x), min(max(y, low_y), high_y)
            most = max(_MOST_SHIFT * side, (side - max(box.core[2:])) / 2)
            if max(abs(at_x - x), abs(at_y - y)) <= most:
                return at_x - side / 2, at_y - side / 2, side
        if side <= least:
            return None
        side = max(least, 0.9 * side)


def _length(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=-1)), np.float64)
