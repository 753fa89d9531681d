"""Tests of a comparison's measures: which are selected, and the message for those whose data is missing."""

from pathlib import Path

import pytest

from api.cli.compared_measures import MeasureData, parse_measures
from graph.errors import InvalidInput

NOTHING = MeasureData(None, None, None, None)
SOME = MeasureData(Path("pictures"), None, None, Path("rooms"))


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("", NOTHING, ("health",)),
        ("", SOME, ("health", "retrieval", "normals")),
        ("normals, retrieval", SOME, ("normals", "retrieval")),
    ],
)
def test_measures_are_those_named_or_those_with_data(text: str, data: MeasureData, expected: tuple[str, ...]) -> None:
    assert parse_measures(text, data) == expected


def test_an_unknown_measure_and_missing_data_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"Unknown measure 'units' in --measures\. Known measures: health"):
        parse_measures("health,units", SOME)
    with pytest.raises(InvalidInput, match="--measures detection needs its data: --detection-data FOLDER"):
        parse_measures("detection", SOME)
