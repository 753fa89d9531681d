"""Trust of a track: seven measured facts, and the probability that it shows one moving object at both ends."""

from math import exp, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.view import Luma

Doubles = NDArray[np.float64]
Evidence = dict[str, float]

_SIDE = 32  # samples of a core whose greys are compared
_BINS = 16  # of grey


def measured(
    first: Luma, last: Luma, way: Doubles, core: tuple[float, float, float, float], inside: Doubles, around: Doubles
) -> Evidence:
    """Measure a track from its first and its last luma, and from the motion in its core and around it.

    `way` (T, 2) is where the core's centre went, in luma pixels; `inside` and `around` (K+1,) are 0..1.
    """
    starts, ends = (_greys(luma, place, core[2:]) for luma, place in ((first, way[0]), (last, way[-1])))
    dx, dy = way[-1] - way[0]
    return {
        "moving": float(inside.mean()),
        "moving_least": float(inside.min()),
        "moving_last": float(inside[-2:].mean()),
        "contrast": float((inside - around).mean()),
        "contrast_last": float((inside - around)[-2:].mean()),
        "texture": float(starts.std()),
        "same_greys": float(np.minimum(_histogram(starts), _histogram(ends)).sum()),
        "displacement": float(np.hypot(dx, dy)),
        "size": float(np.sqrt(core[2] * core[3])),
    }


# Logistic regression by `python -m tests.benchmarks.mining_trust`: facts and coefficients, in the same order.
FACTS = ("size", "contrast at the end", "texture", "same greys", "overlay", "apart", "goes with background")
_COEFFICIENTS = (0.72, 3.77, 3.93, 3.02, -9.25, -0.64, -2.07)
_INTERCEPT = -1.85
_DOUBTS = (  # doubts in words, one for each fact
    "too small",
    "moves no more than its surroundings at the end",
    "too little texture",
    "other greys at the end",
    "drawn over the picture",
    "followed too far",
    "goes with the background",
)
_TOLD = 3.0  # luma pixels that the background moves before what goes with it can be told
_WITH = 0.25  # of the background's way; what moves apart by less goes with it


def facts(known: Evidence) -> tuple[float, ...]:
    """Return the regression's inputs in the order of `FACTS`, each clipped to its informative range."""
    camera, apart = known["camera"], known["apart"]
    return (
        log2(known["size"] / 40),
        min(0.4, max(0.0, known["contrast_last"])),
        min(0.0, log2(max(3.0, known["texture"]) / 12)),  # water and floors have little
        known["same_greys"],
        known["overlay"],
        min(1.5, apart / known["size"]),
        max(0.0, 1 - apart / (_WITH * camera)) if camera > _TOLD else 0.0,
    )


def confidence(known: Evidence) -> float:
    """Return the probability that a track shows one moving object at both ends: 0..1."""
    score = _INTERCEPT + sum(c * fact for c, fact in zip(_COEFFICIENTS, facts(known), strict=True))
    return 1 / (1 + exp(-score))


def doubt(known: Evidence) -> str:
    """Name the fact that lowers the trust most, compared with a track without doubtful facts."""
    doubtless = (1.0, 0.4, 0.0, 1.0, 0.0, 0.0, 0.0)
    lost = [c * (most - fact) for c, most, fact in zip(_COEFFICIENTS, doubtless, facts(known), strict=True)]
    return _DOUBTS[lost.index(max(lost))]


def _greys(luma: Luma, centre: Doubles, size: tuple[float, float]) -> Luma:
    """Scale a core to (32, 32) greys."""
    (across, down), (x, y) = (v / _SIDE for v in size), centre
    half = (_SIDE - 1) / 2
    place = np.array([[across, 0, x - across * half], [0, down, y - down * half]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(luma, place, (_SIDE, _SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)


def _histogram(greys: Luma) -> Doubles:
    """Return the shares of the bins of grey, each smoothed with its neighbours: (16,)."""
    counts = np.bincount(greys.ravel() // (256 // _BINS), minlength=_BINS) / greys.size
    return np.convolve(counts, [0.25, 0.5, 0.25], "same")
