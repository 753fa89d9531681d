"""Tests of growing: each round links with the last round's model, and a round without gain ends it."""

import pytest

from training.evaluation.growth import GAIN, best, grow


def run(recalls, rounds):
    made = []

    def link(model):
        made.append(("link", model))
        return f"links of {model}"

    def train(generation):
        made.append(("train", generation))
        return f"m{sum(kind == 'train' for kind, _ in made)}"

    done = grow("m0", rounds, link, train, lambda model: {GAIN: recalls[int(model[1:])]})
    return made, done


def test_rounds_go_on_while_they_gain():
    made, done = run([0.2, 0.3, 0.4, 0.5], rounds=3)
    assert made == [step for n in range(3) for step in (("link", f"m{n}"), ("train", f"links of m{n}"))]
    assert [(one.number, one.features, one.generation, one.model) for one in done] == [
        (0, "", "", "m0"),
        (1, "m0", "links of m0", "m1"),
        (2, "m1", "links of m1", "m2"),
        (3, "m2", "links of m2", "m3"),
    ]
    assert best(done).model == "m3"


@pytest.mark.parametrize("second", [0.3, 0.25])
def test_the_first_round_without_a_gain_is_the_last(second):
    _, done = run([0.2, 0.3, second, 0.9], rounds=5)
    assert [one.model for one in done] == ["m0", "m1", "m2"]
    assert best(done).model == "m1"
