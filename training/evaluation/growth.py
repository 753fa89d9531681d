"""Growth: rounds of linking, training and held-out measurement, until a round brings no gain.

The gain of a round is measured on held-out tracks without labels: how many ends of other tracks are nearer to a start
A than its own end A'. Each track is compared with itself in the round before, so the noise of the choice of tracks
cancels. The share of right links is no stop measure: a model that was trained on links repeats them with more
certainty, right or wrong (docs/decisions/0208-growth.md).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.96  # half the width of a 95 % interval, in standard errors


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean change of log(1 + rank) of the held-out ends, and its 95 % interval; above 0 is better."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a model's pool5 on held-out tracks, and the number of ends nearer than the own one, (T,)."""

    metrics: Mapping[str, float]
    ranks: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Round:
    """One round; round 0 is the model that the growth starts from."""

    number: int
    features: str  # model whose features made the links; "" in round 0
    generation: str  # linking run; "" in round 0
    model: str  # trained on these links
    metrics: Mapping[str, float]  # of its pool5 on held-out tracks, without labels
    gain: Gain | None  # over the round before; None in round 0


def gain_of(before: NDArray[np.int64], after: NDArray[np.int64]) -> Gain:
    """Compare the (T,) ranks of the same tracks' ends in two rounds; T is 2 at least."""
    change = np.log1p(before) - np.log1p(after)
    half = _NORMAL_95 * float(change.std(ddof=1)) / math.sqrt(len(change))
    mean = float(change.mean())
    return Gain(mean, mean - half, mean + half)


def grow(
    start: str,
    rounds: int,
    link: Callable[[str], str],
    train: Callable[[str], str],
    measure: Callable[[str], Measured],
) -> list[Round]:
    """Return round 0 and up to `rounds` further rounds; ends after the first round without a gain above its interval.

    Args:
        start: id of the model that the first links are made by.
        rounds: how many at most.
        link: makes links by a model's features; returns the generation's id.
        train: trains on a generation; returns the model's id.
        measure: measures a model's pool5 on held-out tracks, the same ones in every round.
    """
    newest = measure(start)
    done = [Round(0, "", "", start, newest.metrics, None)]
    for number in range(1, rounds + 1):
        features = done[-1].model
        generation = link(features)
        model = train(generation)
        before, newest = newest, measure(model)
        gain = gain_of(before.ranks, newest.ranks)
        done.append(Round(number, features, generation, model, newest.metrics, gain))
        if gain.low <= 0:
            break
    return done


def best(rounds: list[Round]) -> Round:
    """Return the last round that gained, round 0 if none did."""
    return [one for one in rounds if one.gain is None or one.gain.low > 0][-1]
