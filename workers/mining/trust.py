"""Trust of a track: eleven measured facts, and the probability that it shows one moving object at both ends.

The probability is a logistic regression, fitted to pairs that were judged by eye. See docs/decisions/0107,
0110 and 0111.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.view import Luma

Doubles = NDArray[np.float64]
Evidence = dict[str, float]

_TOLD = 3.0  # luma pixels that the background moves before what goes with it can be told
_WITH = 0.25  # of the background's way; what moves apart by less goes with it
_EARLY = 3  # updates of the filter: the first seven frames, before its model is trained on other pictures
_SIDE = 32  # samples of a core whose greys are compared
_BINS = 16  # of grey


def measured(
    first: Luma,
    last: Luma,
    way: Doubles,
    core: tuple[float, float, float, float],
    inside: Doubles,
    around: Doubles,
    peaks: Sequence[float],
) -> Evidence:
    """Measure a track from its first and its last luma, from the motion in its core and around it, and from the filter.

    `way` (T, 2) is where the core's centre went, in luma pixels; `inside` and `around` (K+1,) are 0..1; `peaks` (T-1)
    are the filter's responses, 1 for a perfect match.
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
        "peak_first": float(np.mean(peaks[:_EARLY])),
        "peak_mean": float(np.mean(peaks)),
    }


@dataclass(frozen=True, slots=True)
class Fact:
    """One input of the regression."""

    name: str
    coefficient: float
    value: Callable[[Evidence], float]  # clipped to its informative range
    doubtless: float  # value in a track without doubtful facts
    doubt: str  # description of a track whose trust is lowered most by this fact


def _with_background(known: Evidence) -> float:
    """Return 0..1: how closely a track's path follows the background's, if the background moves at all."""
    camera = known["camera"]
    return max(0.0, 1 - known["apart"] / (_WITH * camera)) if camera > _TOLD else 0.0


# The coefficients are fitted by `python -m tests.benchmarks.mining_trust`.
FACTS = (
    Fact("size", 1.62, lambda known: log2(known["size"] / 40), 1.0, "too small"),
    Fact(
        "contrast at the end",
        5.58,
        lambda known: min(0.4, max(0.0, known["contrast_last"])),
        0.4,
        "moves no more than its surroundings at the end",
    ),
    # Water and floors have little texture.
    Fact("texture", 0.68, lambda known: log2(max(3.0, known["texture"]) / 12), 2.0, "too little texture"),
    Fact("same greys", 1.74, lambda known: known["same_greys"], 1.0, "other greys at the end"),
    Fact("overlay", -13.11, lambda known: known["overlay"], 0.0, "drawn over the picture"),
    Fact("apart", -0.29, lambda known: min(1.5, known["apart"] / known["size"]), 0.0, "followed too far"),
    Fact("goes with background", -2.95, _with_background, 0.0, "goes with the background"),
    # An object that leaves the picture is often lost.
    Fact(
        "distance from the border at the end",
        1.54,
        lambda known: min(0.5, max(-0.5, known["border_last"])),
        0.5,
        "at the picture's border at the end",
    ),
    # Parts of an object that moves as a whole have motion around them; noise has none.
    Fact(
        "motion around it at the end",
        2.4,
        lambda known: max(0.0, known["around_last"]),
        0.2,
        "nothing moves around it at the end",
    ),
    Fact("elongation", -0.94, lambda known: known["elongation"], 0.0, "too elongated"),
    # Water, crowds and lights soon look different; an object does not.
    Fact("found again at first", 2.68, lambda known: known["peak_first"], 0.9, "changes too quickly to be one object"),
)
_INTERCEPT = -4.54


def confidence(known: Evidence) -> float:
    """Return the probability that a track shows one moving object at both ends: 0..1."""
    score = _INTERCEPT + sum(fact.coefficient * fact.value(known) for fact in FACTS)
    return 1 / (1 + exp(-score))


def doubt(known: Evidence) -> str:
    """Name the fact that lowers the trust most, compared with a track without doubtful facts."""
    return max(FACTS, key=lambda fact: fact.coefficient * (fact.doubtless - fact.value(known))).doubt


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
