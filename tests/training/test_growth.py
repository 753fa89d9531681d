"""Tests of growing: each round links with the last round's model, and a round without gain ends it."""

import numpy as np
import pytest

from training.evaluation.growth import Measured, best, gain_of, grow

START = np.array([9, 30, 4, 12, 7, 20, 15, 3])
BETTER, STILL_BETTER = START - 2, START // 3
NOISE = START + np.array([3, -4, 2, -3, 4, -2, -5, 3])  # no mean change that can be told from chance


def run(ranks, rounds):
    made = []

    def link(model):
        made.append(("link", model))
        return f"links of {model}"

    def train(generation):
        made.append(("train", generation))
        return f"m{sum(kind == 'train' for kind, _ in made)}"

    done = grow("m0", rounds, link, train, lambda model: Measured({"recall@1": 0.5}, ranks[int(model[1:])]))
    return made, done


def test_rounds_go_on_while_they_gain():
    made, done = run([START, BETTER, STILL_BETTER], rounds=2)
    assert made == [step for n in range(2) for step in (("link", f"m{n}"), ("train", f"links of m{n}"))]
    assert [(one.number, one.features, one.generation, one.model) for one in done] == [
        (0, "", "", "m0"),
        (1, "m0", "links of m0", "m1"),
        (2, "m1", "links of m1", "m2"),
    ]
    assert best(done).model == "m2"


@pytest.mark.parametrize("second", [NOISE, START, START + 1], ids=["noise", "no change", "worse"])
def test_the_first_round_without_a_gain_is_the_last(second):
    _, done = run([START, second, STILL_BETTER], rounds=5)
    assert [one.model for one in done] == ["m0", "m1"]
    assert best(done).model == "m0"


def test_a_later_round_without_a_gain_leaves_the_one_before():
    _, done = run([START, BETTER, BETTER, STILL_BETTER], rounds=5)
    assert [one.model for one in done] == ["m0", "m1", "m2"]
    assert best(done).model == "m1"


def test_a_gain_is_the_paired_change_of_the_logarithm_with_its_interval():
    found = gain_of(np.array([1, 3, 7]), np.array([0, 3, 1]))  # halved, kept, a quarter: 1 + rank
    changes = np.log(2) * np.array([1, 0, 2])
    error = np.sqrt(((changes - changes.mean()) ** 2).sum() / 2 / 3)
    assert found.mean == pytest.approx(np.log(2))
    assert (found.low, found.high) == pytest.approx((found.mean - 1.96 * error, found.mean + 1.96 * error))
