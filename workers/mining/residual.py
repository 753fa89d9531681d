"""Residual motion: the displacement of each pixel relative to the background, from two aligned pictures.

At a pixel with gradient g, a difference of d grey levels between the aligned pictures means a displacement of about
d / g pixels across the edge (normal flow). No matching is needed, so fast, blurred and bending objects are measured as
well as rigid ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.view import Luma

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_AROUND = (5, 5)  # pixels that share one residual
_SQUARE = np.ones((3, 3), np.uint8)
_LIGHT = (13, 13)  # pixels over which light is even: shadows and flicker change nothing above this scale
_DIMMED = 0.04  # share by which the strength of two pictures differs where the light changed
_NOISE = 1.5  # grey levels that compression changes
_STEEP = 4.0  # mean squared slope, in grey levels a pixel, of what counts as texture
_FLOOR = 9.0  # the same, added so that flat parts have no residual
_LEVELS = np.arange(256, dtype=np.float32)  # all differences of two greys
_HALF = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])  # luma pixels to pixels of the small picture
_DOUBLE = np.linalg.inv(_HALF)


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame at half of the luma's size, with the quantities that a comparison uses."""

    grey: Luma  # (h, w)
    detail: Luma  # (h, w) less its local mean, plus 128
    strength: float  # standard deviation of the detail, which fades with the light
    slope: Floats  # (h, w) mean squared slope around each pixel, plus `_FLOOR`
    textured: Flags  # (h, w)

    @classmethod
    def of(cls, luma: Luma) -> "Picture":
        """Halve a luma and measure its slopes."""
        height, width = luma.shape
        small = cv2.resize(luma, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        detail = np.asarray(cv2.addWeighted(small, 1, cv2.blur(small, _LIGHT), -1, 128), np.uint8)
        across, down = (cv2.Sobel(small, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
        slope = np.asarray(cv2.blur(across * across + down * down, _AROUND), np.float32)
        return cls(
            np.asarray(small, np.uint8),
            detail,
            float(detail[::2, ::2].std()),
            slope + np.float32(_FLOOR),
            slope > _STEEP,
        )


def scaled_up(homography: Doubles) -> Doubles:
    """Turn a homography of the small picture into one of luma pixels."""
    return np.asarray(_DOUBLE @ homography @ _HALF, np.float64)


def scaled_down(homography: Doubles) -> Doubles:
    """Turn a homography of luma pixels into one of the small picture."""
    return np.asarray(_HALF @ homography @ _DOUBLE, np.float64)


def residual(one: Picture, other: Picture, planes: Sequence[Doubles]) -> Floats:
    """Measure how far each pixel of `one` moved against the nearest of `planes`: (h, w) float32 pixels.

    `planes` are homographies of the small pictures, from `one` to `other`. What `other` does not show has no residual.
    """
    maps = [residual_and_noise(one, other, plane)[0] for plane in planes]
    return np.asarray(np.minimum.reduce(maps), np.float32)


def residual_and_noise(one: Picture, other: Picture, plane: Doubles) -> tuple[Floats, float]:
    """Measure the residual to one plane, and the difference in grey levels that counts as noise in it.

    The noise is 2.5 times the median difference: a plane that fits nowhere has much of it and little residual.
    """
    height, width = one.detail.shape
    aligned, seen = other.detail, None
    if (plane != np.eye(3)).any():
        size, inverse = (width, height), cv2.WARP_INVERSE_MAP
        aligned = np.asarray(cv2.warpPerspective(other.detail, plane, size, flags=cv2.INTER_LINEAR | inverse), np.uint8)
        seen = cv2.erode(aligned, _SQUARE) != 0  # detail is about 128 wherever there is a picture
    gain = one.strength / max(other.strength, 1.0)
    if abs(gain - 1) > _DIMMED:
        aligned = np.asarray(cv2.convertScaleAbs(aligned, alpha=gain, beta=128 * (1 - gain)), np.uint8)
    difference = cv2.absdiff(one.detail, aligned)
    if seen is not None:
        difference *= seen
    some = difference[::3, ::3].ravel()
    noise = max(_NOISE, 2.5 * float(np.partition(some, some.size // 2)[some.size // 2]))
    change = cv2.LUT(difference, np.square(np.maximum(_LEVELS - np.float32(noise), 0)))
    moved = np.asarray(cv2.blur(change, _AROUND), np.float32)
    np.divide(moved, one.slope, out=moved)
    return np.asarray(cv2.sqrt(moved, moved), np.float32), noise
