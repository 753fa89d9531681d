"""Trust of a track: ten measured facts, and the probability that it shows one moving object at both ends.

The probability is a logistic regression, fitted to pairs that were judged by eye. See docs/decisions/0107 and 0110.
"""

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
    height, width = last.shape
    reach = np.array(core[2:]) / 2
    to_border = np.minimum(way[-1] - reach, np.array([width, height]) - way[-1] - reach)
    return {
        "moving": float(inside.mean()),
        "moving_least": float(inside.min()),
        "moving_last": float(inside[-2:].mean()),
        "contrast": float((inside - around).mean()),
        "contrast_last": float((inside - around)[-2:].mean()),
        "around_last": float(around[-2:].mean()),
        "border_last": float(to_border.min() / max(core[2:])),
        "elongation": float(abs(np.log2(core[2] / core[3]))),
        "texture": float(starts.std()),
        "same_greys": float(np.minimum(_histogram(starts), _histogram(ends)).sum()),
        "displacement": float(np.hypot(dx, dy)),
        "size": float(np.sqrt(core[2] * core[3])),
    }


# Logistic regression by `python -m tests.benchmarks.mining_trust`: facts and coefficients, in the same order.
FACTS = (
    "size",
    "contrast at the end",
    "texture",
    "same greys",
    "overlay",
    "apart",
    "goes with background",
    "distance from the border at the end",
    "motion around it at the end",
    "elongation",
)
_COEFFICIENTS = (1.23, 5.27, 0.8, 2.47, -10.0, -0.69, -3.1, 2.27, 2.09, -0.85)
_INTERCEPT = -3.93
_DOUBTS = (  # doubts in words, one for each fact
    "too small",
    "moves no more than its surroundings at the end",
    "too little texture",
    "other greys at the end",
    "drawn over the picture",
    "followed too far",
    "goes with the background",
    "at the picture's border at the end",
    "nothing moves around it at the end",
    "too elongated",
)
_DOUBTLESS = (1.0, 0.4, 2.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.2, 0.0)
_TOLD = 3.0  # luma pixels that the background moves before what goes with it can be told
_WITH = 0.25  # of the background's way; what moves apart by less goes with it


def facts(known: Evidence) -> tuple[float, ...]:
    """Return the regression's inputs in the order of `FACTS`, each clipped to its informative range."""
    camera, apart = known["camera"], known["apart"]
    return (
        log2(known["size"] / 40),
        min(0.4, max(0.0, known["contrast_last"])),
        log2(max(3.0, known["texture"]) / 12),  # water and floors have little
        known["same_greys"],
        known["overlay"],
        min(1.5, apart / known["size"]),
        max(0.0, 1 - apart / (_WITH * camera)) if camera > _TOLD else 0.0,
        min(0.5, max(-0.5, known["border_last"])),  # what leaves the picture is often lost
        max(0.0, known["around_last"]),  # parts of an object that moves as a whole; noise moves alone
        known["elongation"],
    )


def confidence(known: Evidence) -> float:
    """Return the probability that a track shows one moving object at both ends: 0..1."""
    score = _INTERCEPT + sum(c * fact for c, fact in zip(_COEFFICIENTS, facts(known), strict=True))
    return 1 / (1 + exp(-score))


def doubt(known: Evidence) -> str:
    """Name the fact that lowers the trust most, compared with a track without doubtful facts."""
    lost = [c * (most - fact) for c, most, fact in zip(_COEFFICIENTS, _DOUBTLESS, facts(known), strict=True)]
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
