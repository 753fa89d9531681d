"""Boxes of many windows in; tracks with their trust, or the reason they were refused, out. Section 4.3."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.mining.boxes import Area, Box
from workers.mining.decode import Luma
from workers.mining.kcf import BatchedKCF, Filter
from workers.mining.motion import Motion
from workers.mining.recipe import Mining

_FILTER = Filter(grid=36)  # half the work of 48, and as good on the choosing part: .728 against .736
_STOOD = 0.5  # luma pixels over a whole track; an object that a camera follows trembles more
_MOST_SHIFT = 0.2  # of the crop's side; the core stays in its middle


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box to be tracked through its window's `lumas`: two to a step of `motion` (see `looked_at`), and the last."""

    lumas: Sequence[Luma]
    motion: Motion
    box: Box
    area: Area


@dataclass(frozen=True, slots=True)
class Track:
    """Where the core went, in luma pixels, and what is known of its truth."""

    centres: NDArray[np.float64]  # (2K+1, 2) in the lumas that were looked at, two to a step
    crop: tuple[float, float, float]  # left, top, side in the first luma
    end_crop: tuple[float, float, float]  # in the last one: moved as the core moved
    trust: dict[str, float]


def looked_at(recipe: Mining) -> list[int]:
    """List the frames of a window that the filter looks at: both ends of every step, and one between.

    On the choosing part every second frame ends as near to the object as every frame: .082 of its side against .077.
    """
    between = recipe.step // 2
    return [k for step in range(0, recipe.track_length, recipe.step) for k in (step, step + between)] + [
        recipe.track_length
    ]


def follow_batched(
    sequences: Sequence[Sequence[Luma]], centres: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Follow B objects, each through its own lumas: centres (B, T, 2) and peak responses (B, T-1)."""
    tracker = BatchedKCF([lumas[0] for lumas in sequences], centres, sizes, _FILTER)
    ways, peaks = [tracker.centres], []
    for k in range(1, len(sequences[0])):
        peaks.append(tracker.update([lumas[k] for lumas in sequences]))
        ways.append(tracker.centres)
    return np.stack(ways, axis=1), np.stack(peaks, axis=1)


def track_all(candidates: Sequence[Candidate], recipe: Mining) -> list[Track | str]:
    """Track all candidates together; each becomes a `Track` or the reason it was refused."""
    outcomes: list[Track | str] = [_motion_reason(c, recipe) for c in candidates]
    followed = [number for number, reason in enumerate(outcomes) if not reason]
    if followed:
        chosen = [candidates[number] for number in followed]
        centres = np.array([c.box.core[:2] for c in chosen])
        sizes = np.array([[c.box.core[2]] * 2 for c in chosen])
        ways, peaks = follow_batched([c.lumas for c in chosen], centres, sizes)
        for number, c, way, peak in zip(followed, chosen, ways, peaks, strict=True):
            outcomes[number] = _judge(c, way, peak, recipe)
    return outcomes


def _motion_reason(candidate: Candidate, recipe: Mining) -> str:
    """Refuse a box by its points alone, before any tracking."""
    motion, box = candidate.motion, candidate.box
    net = motion.net[box.members]
    middle = np.median(net, axis=0)
    if _unlike(net) > recipe.alike:
        return "moves every way"  # water, leaves, crowds
    place = np.array(box.core[:2])
    of_background = motion.background_at(place) - place
    if _length(middle) < recipe.parallax * _length(of_background).max():
        return "moves no more than depth would"
    return ""


def _unlike(net: NDArray[np.floating]) -> float:
    """Say by which share of their common motion points part from it."""
    middle = np.median(net, axis=0)
    return float(np.median(_length(net - middle)) / max(float(_length(middle)), 1e-6))


def _judge(candidate: Candidate, way: NDArray[np.float64], peaks: NDArray[np.float32], recipe: Mining) -> Track | str:
    """Refuse a track that was lost, went with the background, or left the picture."""
    motion, box, area = candidate.motion, candidate.box, candidate.area
    tracked = way[::2] - way[0]
    of_object = motion.object_at(box.members)
    of_background = motion.background_at(way[0]) - way[0]
    known = np.isfinite(of_object[:, 0])
    known[0] = False
    apart = float(_length(of_object - of_background)[known].max(initial=0.0))
    to_object = float(_length(tracked - of_object)[known].mean())
    to_background = float(_length(tracked - of_background)[known].mean())
    agreement = to_background / max(to_object + to_background, 1e-6)
    if apart < recipe.net_motion:
        return "moves with the background"
    if apart > 3 * recipe.net_motion and float(_length(tracked).max()) < _STOOD:
        return "stands on the screen"
    if peaks.mean() < recipe.least_peak:
        return "track lost"
    if agreement < recipe.least_agreement:
        return "followed the background"
    if to_object > 0.5 * box.core[2]:
        return "left the object"
    dx, dy = way[-1] - way[0]
    crop = _crop_inside(box.crop, dx, dy, area)
    if crop is None:
        return "left the picture"
    trust = {
        "peak_mean": float(peaks.mean()),
        "peak_least": float(peaks.min()),
        "motion_agreement": agreement,
        "backward_error": float(motion.backward[1:, box.members][motion.alive[1:, box.members]].mean()),
        "object_error": to_object,
        "apart": apart,
        "unlike": _unlike(motion.net[box.members]),
        "displacement": float(np.hypot(dx, dy)),
        "moving_points": float(box.members.sum()),
    }
    return Track(way, crop, (crop[0] + dx, crop[1] + dy, crop[2]), trust)


def _crop_inside(
    crop: tuple[float, float, float], dx: float, dy: float, area: Area
) -> tuple[float, float, float] | None:
    """Shift the first crop so that it and the last one, moved by (dx, dy), lie in the picture; None if that is far."""
    left, top, side = crop
    low_x, high_x = area.left - min(0, dx), area.right - side - max(0, dx)
    low_y, high_y = area.top - min(0, dy), area.bottom - side - max(0, dy)
    if low_x > high_x or low_y > high_y:
        return None
    x, y = min(max(left, low_x), high_x), min(max(top, low_y), high_y)
    if max(abs(x - left), abs(y - top)) > _MOST_SHIFT * side:
        return None
    return x, y, side


def _length(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=-1)), np.float64)
