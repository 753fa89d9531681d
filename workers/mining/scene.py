"""Maps of motion relative to the background in each anchor frame of a shot, shared by all windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.motion import STANDING, Camera, camera_motion, mapped
from workers.mining.recipe import Mining
from workers.mining.residual import Picture, residual, scaled_down
from workers.mining.view import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_FAR = 3  # steps over which slow movers are seen
_NEAR = np.ones((13, 13), np.uint8)  # pixels of the small picture that an object may go in one step


@dataclass(frozen=True, slots=True)
class Scene:
    """The anchor frames of a piece of a shot, `step` frames apart."""

    cameras: list[Camera]  # (K) from anchor k to k+1
    moving: list[Floats]  # (K+1) of (h, w) in 0..1 at half of the luma's size: how surely each pixel moves on its own

    def seed(self, k: int) -> Floats:
        """Return what moves in anchor `k` and near there in the two after it."""
        after = cv2.dilate(np.maximum.reduce(self.moving[k + 1 : k + 3]), _NEAR)
        return np.asarray(cv2.sqrt(self.moving[k] * after), np.float32)

    def background(self, first: int, last: int, place: Doubles) -> Doubles:
        """Follow the background from `place` (2,) in anchor `first` to `last`: (last-first+1, 2) luma pixels."""
        ways = [np.asarray(place, np.float64)[None]]
        for camera in self.cameras[first:last]:
            ways.append(mapped(camera.main, ways[-1]))
        return np.concatenate(ways)


@dataclass(frozen=True, slots=True)
class _Step:
    """The way from one anchor to the next: directly, or by a frame between where that is explained better."""

    whole: Camera
    moved: Floats  # residual of this anchor against the nearest frame that is compared
    middle: Picture | None  # the frame between, where the direct way explains too little
    back: Camera  # from the next anchor to the frame that it is compared with


def watch(lumas: Sequence[Luma], recipe: Mining) -> Scene:
    """Measure the camera and what moves against the background in every `recipe.step`-th of `lumas`."""
    places = range(0, len(lumas), recipe.step)
    pictures = [Picture.of(lumas[place]) for place in places]
    steps = [
        _step(lumas[place : place + recipe.step + 1], pictures[k], pictures[k + 1], recipe)
        for k, place in enumerate(places[:-1])
    ]
    moving = [_sure(_moving(pictures, steps, k), recipe) for k in range(len(pictures))]
    return Scene([step.whole for step in steps], moving)


def _step(lumas: Sequence[Luma], first: Picture, last: Picture, recipe: Mining) -> _Step:
    """Fit the camera from the first of `lumas` to the last."""
    whole, moved = camera_motion(first, last, recipe)
    if whole.support >= recipe.least_support:
        return _Step(whole, moved, None, whole.inverse())
    luma = lumas[len(lumas) // 2 - 1]
    middle = Picture.of(luma)
    before, moved = camera_motion(first, middle, recipe)
    after, _ = camera_motion(middle, last, recipe)
    if min(before.support, after.support) > whole.support:
        whole = before.then(after)
    return _Step(whole, moved, middle, after.inverse())


def _moving(pictures: Sequence[Picture], steps: Sequence[_Step], k: int) -> Floats:
    """Take the smaller residual to two other frames: what an object uncovers differs from one of them only."""
    here, maps = pictures[k], []
    if k < len(steps):
        maps.append(steps[k].moved)
    if k > 0:
        maps.append(_residual(here, steps[k - 1].middle or pictures[k - 1], steps[k - 1].back))
    if len(maps) == 1 and len(steps) > 1:
        both = steps[:2] if k == 0 else steps[-2:]
        way = both[0].whole.then(both[1].whole)
        maps.append(_residual(here, pictures[2] if k == 0 else pictures[k - 2], way if k == 0 else way.inverse()))
    found = np.minimum.reduce(maps)
    if _FAR <= k <= len(steps) - _FAR and all(step.whole.stands for step in steps[k - _FAR : k + _FAR]):
        # Slow movers, where no parallax can be. Both sides must agree: what is uncovered differs from one side only.
        sides = [_residual(here, pictures[other], STANDING) for other in (k - _FAR, k + _FAR)]
        found = np.maximum(found, np.minimum(*sides))
    return np.asarray(found, np.float32)


def _residual(one: Picture, other: Picture, camera: Camera) -> Floats:
    return residual(one, other, [scaled_down(plane) for plane in camera.planes])


def _sure(moved: Floats, recipe: Mining) -> Floats:
    """Turn residuals in pixels into 0 (static) to 1 (moves)."""
    return np.asarray(np.clip((moved - recipe.still) / (recipe.moves - recipe.still), 0, 1), np.float32)
