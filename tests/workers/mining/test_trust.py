"""Tests of trust: each fact in the direction that its name says, and the doubt of the fact that lowers it most."""

import pytest

from workers.mining.trust import FACTS, confidence, doubt

GOOD = {
    "size": 90.0,
    "contrast_last": 0.5,
    "texture": 50.0,
    "same_greys": 0.95,
    "overlay": 0.0,
    "apart": 20.0,
    "camera": 30.0,
    "border_last": 0.6,
    "around_last": 0.2,
    "elongation": 0.1,
    "peak_first": 0.9,
}
WORSE = [
    ({"size": 15.0}, "too small"),
    ({"contrast_last": 0.0}, "moves no more than its surroundings at the end"),
    ({"texture": 3.0}, "too little texture"),
    ({"same_greys": 0.1}, "other greys at the end"),
    ({"overlay": 0.5}, "drawn over the picture"),
    ({"apart": 1.0}, "goes with the background"),
    ({"apart": 300.0}, "followed too far"),
    ({"border_last": -0.4}, "at the picture's border at the end"),
    ({"around_last": 0.0}, "nothing moves around it at the end"),
    ({"elongation": 3.0}, "too elongated"),
    ({"peak_first": 0.1}, "changes too quickly to be one object"),
]


@pytest.mark.parametrize(("change", "named"), WORSE)
def test_a_doubtful_fact_lowers_the_trust_and_is_named(change: dict[str, float], named: str) -> None:
    assert confidence(GOOD) > 0.95
    assert confidence(GOOD | change) < confidence(GOOD)
    assert doubt(GOOD | change) == named


def test_every_doubt_is_tested() -> None:
    assert {named for _, named in WORSE} == {fact.doubt for fact in FACTS}


def test_a_background_that_hardly_moves_says_nothing_of_what_goes_with_it() -> None:
    still = GOOD | {"camera": 2.0, "apart": 0.0, "went": 0.0}
    assert confidence(still) > 0.9
