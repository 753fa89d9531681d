"""Growth: rounds of linking, training and held-out measurement, until a round brings no gain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

GAIN = "recall@1"  # of pool5 on held-out tracks, because the next round links by pool5; AUC is soon close to 1


@dataclass(frozen=True, slots=True)
class Round:
    """One round; round 0 is the model that the growth starts from."""

    number: int
    features: str  # model whose features made the links; "" in round 0
    generation: str  # linking run; "" in round 0
    model: str  # trained on these links
    metrics: Mapping[str, float]  # of its pool5 on held-out tracks, without labels


def grow(
    start: str,
    rounds: int,
    link: Callable[[str], str],
    train: Callable[[str], str],
    measure: Callable[[str], Mapping[str, float]],
) -> list[Round]:
    """Return round 0 and up to `rounds` further rounds; the growth stops after the first round without gain.

    Args:
        start: id of the model whose features make the first links.
        rounds: maximum number of rounds after round 0.
        link: makes links by a model's features; returns the generation's id.
        train: trains on a generation; returns the model's id.
        measure: returns the metrics of a model's pool5 on held-out tracks.
    """
    done = [Round(0, "", "", start, measure(start))]
    for number in range(1, rounds + 1):
        newest = done[-1]
        generation = link(newest.model)
        model = train(generation)
        done.append(Round(number, newest.model, generation, model, measure(model)))
        if done[-1].metrics[GAIN] <= newest.metrics[GAIN]:
            break
    return done


def best(rounds: list[Round]) -> Round:
    """Return the round with the highest gain metric; the earliest if several are equal."""
    return max(rounds, key=lambda one: one.metrics[GAIN])
