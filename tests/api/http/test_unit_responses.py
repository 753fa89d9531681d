"""Tests of the units that respond to a patch, against loops over the stored pool5 features."""

from pathlib import Path

import numpy as np
import pytest

from api.http.unit_responses import EXAMPLES, SHOWN, UnitResponses, maxima, spread
from graph.connection import Connection
from graph.models import write_model
from graph.records import Model
from graph.shards import Shards

MODEL = Model("context-units", "context", "cpu-small", 0, 9 * 8, 0, "", "2026-01-01")
VIDEOS, EACH, CHANNELS = 5, 7, 8


@pytest.fixture
def shards(connection: Connection, tmp_path: Path) -> Shards:
    """Features of five videos with seven patches each."""
    write_model(connection, MODEL)
    shards, random = Shards(str(tmp_path)), np.random.default_rng(3)
    for video in range(VIDEOS):
        features = np.maximum(random.standard_normal((EACH, CHANNELS * 9)), 0).astype(np.float16)
        ids = [f"{video:08x}{number:08x}" for number in range(EACH)]
        shards.write_vectors(f"features/{MODEL.id}/{video:032x}", ids, features)
    return shards


def test_units_deviate_most_and_show_the_highest_responses_of_other_videos(
    connection: Connection, shards: Shards
) -> None:
    responses: dict[str, list[float]] = {}  # of every patch, by loops
    for video in range(VIDEOS):
        ids, features = shards.read_vectors(f"features/{MODEL.id}/{video:032x}")
        for patch, row in zip(ids, features, strict=True):
            responses[patch] = [max(float(row[9 * unit + place]) for place in range(9)) for unit in range(CHANNELS)]
    marked = f"{1:08x}{0:08x}"
    asked = f"{2:08x}{3:08x}"
    found = UnitResponses(connection, shards, lambda: frozenset([marked])).of_patch(asked, f"{2:032x}")
    columns = list(zip(*responses.values(), strict=True))
    deviations = [(responses[asked][unit] - np.mean(column)) / np.std(column) for unit, column in enumerate(columns)]
    expected = [unit for unit in sorted(range(CHANNELS), key=lambda unit: -deviations[unit]) if deviations[unit] > 0]
    assert [one.number for one in found] == expected[:SHOWN]
    for one in found:
        assert one.response == pytest.approx(responses[asked][one.number])
        assert one.deviations == pytest.approx(deviations[one.number], rel=1e-4)
        others = [patch for patch in responses if patch[:8] != asked[:8] and patch != marked]
        others.sort(key=lambda patch: -responses[patch][one.number])
        assert one.others == others[:EXAMPLES]


def test_without_features_of_a_network_there_are_no_units(connection: Connection, shards: Shards) -> None:
    units = UnitResponses(connection, shards, frozenset)
    assert units.of_patch("f" * 16, f"{0:032x}") == []  # a patch that the shard lacks
    assert units.of_patch("f" * 16, "f" * 32) == []  # a video without features
    empty = UnitResponses(connection, Shards("memory://nothing"), frozenset)
    assert empty.of_patch("f" * 16, f"{0:032x}") == []


def test_a_unit_responds_with_the_maximum_of_its_nine_positions() -> None:
    features = np.arange(2 * 18, dtype=np.float16).reshape(2, 18)
    np.testing.assert_array_equal(maxima(features), [[8, 17], [26, 35]])


def test_any_beginning_of_the_order_is_spread_over_the_names() -> None:
    names = [f"{number:03}" for number in range(100)]
    assert sorted(spread(names)) == names
    assert max(np.diff(sorted(map(int, spread(names)[:16])))) <= 16
