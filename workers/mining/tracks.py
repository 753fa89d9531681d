"""Batched tracking of the boxes of many windows, with the measured facts on which trust is based (section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.mining.boxes import Area, Box, crop_side
from workers.mining.kcf import BatchedKCF, Filter
from workers.mining.motion_sums import MotionSums
from workers.mining.recipe import Mining
from workers.mining.scene import Scene
from workers.mining.standing import overlay_share
from workers.mining.trust import Evidence, confidence, doubt, measured
from workers.mining.view import Luma

# Chosen on the tuning split for speed, where accuracy is equal (docs/decisions/0102).
_FILTER = Filter(grid=30, scales=(), learn_every=4)
_STOOD = 0.5  # luma pixels over a whole track; an object that a camera follows trembles more
_TREMBLES = 2.0  # luma pixels that an object which a camera follows moves on the screen, or more
_TOLD = 3.0  # luma pixels that the background moves before what stands on the screen can be told
_PULL = 0.3  # of the way from the filter's centre to the middle of the motion ...
_MOST_PULL = 0.08  # ... and at most this share of the core, at each anchor frame ...
_PULLS = 0.15  # ... where this share of the core moves
_PULLED = 1.2  # side of the square that is looked at for that, in sides of the core
_MOST_SHIFT = 0.2  # of the crop's side, or more where the core stays in it
_MOST_OUTSIDE = 0.15  # of the crop's side by which the last crop may be moved back into the picture
_CORE_IN_CROP = 1.1  # side of the smallest crop, in sides of the core

Doubles = NDArray[np.float64]
Square = tuple[float, float, float]  # left, top, side


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box to be tracked through the lumas of its window that `looked_at` lists."""

    lumas: Sequence[Luma]  # two to a step of the scene, and the last; of a window as long as the shot allows
    anchor: int  # of the scene, in which the window begins
    box: Box
    area: Area


@dataclass(frozen=True, slots=True)
class Track:
    """The path of a core over `length` frames, in luma pixels, and the facts on which its trust is based."""

    length: int
    centres: Doubles  # (2K+1, 2) in the lumas that were looked at, two to a step
    crop: Square  # in the first luma
    end_crop: Square  # in the last one: moved as the core moved, and back into the picture if it left it by little
    trust: Evidence

    def why(self) -> str:
        """Describe in one line the facts on which the trust is based."""
        known = self.trust
        return (
            f"{self.length} frames, trust {self.confidence:.2f}: moving {known['moving']:.2f}, "
            f"contrast at the end {known['contrast_last']:.2f}, same greys {known['same_greys']:.2f}, "
            f"texture {known['texture']:.0f}, overlay {known['overlay']:.2f}"
        )

    @property
    def confidence(self) -> float:
        """Return the probability that the track shows one moving object at both ends: 0..1."""
        return confidence(self.trust)


def looked_at(length: int, recipe: Mining) -> list[int]:
    """List the frames of a window of `length` that the filter looks at: both ends of every step, and one between.

    On the tuning split, every second frame ends as near to the object as every frame: .082 of its side against .077.
    """
    between = recipe.step // 2
    return [k for step in range(0, length, recipe.step) for k in (step, step + between)] + [length]


def track_all(candidates: Sequence[Candidate], scene: Scene, recipe: Mining) -> list[list[Track | str]]:
    """Track the candidates of one scene together.

    Each candidate gives a list of tracks for `recipe.lengths`, the shortest first. After a refused or untrusted track,
    no longer track is tried; the reason of a refused track is the last item of the list.
    """
    if not candidates:
        return []
    following = _Following(candidates, scene)
    found: list[list[Track | str]] = [[] for _ in candidates]
    for length in recipe.lengths:
        looks = 2 * (length // recipe.step) + 1
        following.go_on([number for number in following.numbers if len(candidates[number].lumas) >= looks], looks)
        going: list[int] = []
        for number, evident in zip(following.numbers, following.motion(), strict=True):
            before = found[number][0] if found[number] else None
            crop = before.crop if isinstance(before, Track) else None
            way = np.array(following.ways[number])
            track = _judged(candidates[number], scene, length, way, following.peaks[number], evident, crop, recipe)
            if isinstance(track, Track) and before is not None and track.confidence < recipe.trusted:
                track = "no longer trusted"
            found[number].append(track)
            if isinstance(track, Track) and track.confidence >= recipe.trusted:
                going.append(number)
        following.go_on(going, looks)
    return found


class _Following:
    """The tracks of the candidates that are still followed, and the path of each."""

    def __init__(self, candidates: Sequence[Candidate], scene: Scene) -> None:
        self._candidates = candidates
        self._sums = MotionSums(scene.moving)
        self.numbers = list(range(len(candidates)))
        self._sizes = np.array([c.box.core[2:] for c in candidates])
        self._anchors = np.array([c.anchor for c in candidates])
        self.ways = [[np.array(c.box.core[:2])] for c in candidates]
        self.peaks: list[list[float]] = [[] for _ in candidates]
        centres = np.concatenate(self.ways)
        self._tracker = BatchedKCF([c.lumas[0] for c in candidates], centres, self._sizes, _FILTER)

    def go_on(self, numbers: Sequence[int], looks: int) -> None:
        """Follow only these candidates, until `looks` of their lumas have been processed.

        At each anchor frame, a centre is shifted towards the middle of the motion in its core. This corrects the drift
        of a filter on an object that bends.
        """
        kept = set(numbers)
        self._tracker.keep(np.array([row for row, number in enumerate(self.numbers) if number in kept], np.int64))
        self.numbers = list(numbers)
        if not self.numbers:
            return
        tracker, sizes = self._tracker, self._sizes[self.numbers]
        for look in range(len(self.ways[self.numbers[0]]), looks):
            peaks = tracker.update([self._candidates[number].lumas[look] for number in self.numbers])
            if look % 2 == 0:
                anchors = self._anchors[self.numbers] + look // 2
                middles, share = self._sums.middles(anchors, tracker.centres, _PULLED * sizes)
                pulls = np.clip(_PULL * (middles - tracker.centres), -_MOST_PULL * sizes, _MOST_PULL * sizes)
                tracker.centres = tracker.centres + np.where(share[:, None] >= _PULLS, pulls, 0.0)
            for number, centre, peak in zip(self.numbers, tracker.centres, peaks, strict=True):
                self.ways[number].append(centre)
                self.peaks[number].append(float(peak))

    def motion(self) -> list[tuple[Doubles, Doubles]]:
        """Return the motion in the core and around it at each anchor, for each of the tracks: (K+1,) each."""
        if not self.numbers:
            return []
        ways = np.array([self.ways[number][::2] for number in self.numbers])
        count, anchors = ways.shape[:2]
        at = self._anchors[self.numbers][:, None] + np.arange(anchors)
        sizes = np.repeat(self._sizes[self.numbers], anchors, axis=0)
        inside, around = self._sums.inside_and_around(at.ravel(), ways.reshape(-1, 2), sizes)
        return list(zip(inside.reshape(count, -1), around.reshape(count, -1), strict=True))


def _judged(
    candidate: Candidate,
    scene: Scene,
    length: int,
    way: Doubles,
    peaks: Sequence[float],
    motion: tuple[Doubles, Doubles],
    crop: Square | None,
    recipe: Mining,
) -> Track | str:
    """Measure the facts of a track; refuse a track that left the picture or is fixed on the screen.

    `motion` is the motion in the core and around it, at each anchor. `crop` is the first crop of a shorter track.
    """
    box, first = candidate.box, candidate.anchor
    steps = length // recipe.step
    background = scene.background(first, first + steps, way[0])
    travelled = float(_length(background - way[0]).max())
    went = float(_length(way[::2] - way[0]).max())
    if travelled > _TOLD and went < _STOOD:
        return "stands on the screen"
    dx, dy = way[-1] - way[0]
    crop = crop or _crop_inside(box, dx, dy, candidate.area, recipe)
    end_crop = None if crop is None else _moved_inside(crop, dx, dy, candidate.area)
    if crop is None or end_crop is None:
        return "left the picture"
    trust = measured(candidate.lumas[0], candidate.lumas[2 * steps], way, box.core, *motion, peaks)
    trust |= {
        "background": float(np.mean([camera.support for camera in scene.cameras[first : first + steps]])),
        "camera": travelled,
        "apart": float(_length(way[::2] - background).max()),
        "overlay": 0.0,
        "went": went,
    }
    if travelled > _TOLD and confidence(trust) >= recipe.least_confidence:
        share = overlay_share(candidate.lumas[: 2 * steps + 1 : 2], scene, first, box.core)
        if share > recipe.most_overlay:
            return "stands on the screen"
        # What is half transparent has edges that move, and hardly moves itself.
        trust["overlay"] = max(share, 0.5 * (1 - went / _TREMBLES))
    track = Track(length, way, crop, end_crop, trust)
    return track if track.confidence >= recipe.least_confidence else doubt(trust)


def _moved_inside(crop: Square, dx: float, dy: float, area: Area) -> Square | None:
    """Move a crop by (dx, dy), and back into the picture if it has left it by little; None if by more."""
    left, top, side = crop
    x = min(max(left + dx, area.left), area.right - side)
    y = min(max(top + dy, area.top), area.bottom - side)
    slack = _MOST_OUTSIDE * side + 0.01  # of rounding
    return (x, y, side) if max(abs(x - left - dx), abs(y - top - dy)) <= slack else None


def _crop_inside(box: Box, dx: float, dy: float, area: Area, recipe: Mining) -> Square | None:
    """Shift the first crop so that it and the last crop, moved by (dx, dy), are inside the picture.

    If that shift is too large, the last crop may also be moved back into the picture by `_MOST_OUTSIDE` of its side. If
    that is not enough, the crop is reduced until it just contains the core, or to the paper's side, which shows a part
    of a larger object. The result is None if nothing helps.
    """
    left, top, side = box.crop
    place = np.array([left, top]) + side / 2
    core, move = np.array(box.core[2:]), np.array([dx, dy])
    low, high = np.array([area.left, area.top]), np.array([area.right, area.bottom])
    least = min(side, _CORE_IN_CROP * float(core.max()), crop_side(area, recipe))
    while True:
        for outside in (0.0, _MOST_OUTSIDE * side):
            first = low + np.maximum(0, -move - outside) + side / 2
            last = high - np.maximum(0, move - outside) - side / 2
            if (first > last).any():
                continue
            at = np.clip(place, first, last)
            # A crop may move as far as it still contains the core, or is still within it.
            if (np.abs(at - place) <= np.maximum(_MOST_SHIFT * side, np.abs(side - core) / 2)).all():
                return float(at[0] - side / 2), float(at[1] - side / 2), side
        if side <= least:
            return None
        side = max(least, 0.9 * side)


def _length(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=-1)), np.float64)
