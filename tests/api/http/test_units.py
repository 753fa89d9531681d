"""Tests of GET /models/{id}/units: the result of `evaluate units`, and the error before it has run."""

from pathlib import Path

import httpx
import pytest

from graph.connection import Connection
from graph.models import write_model
from graph.records import Model
from training.evaluation.unit_file import NAME, Unit, Units, write_units

MODEL = Model("transitive-units", "transitive", "cpu-small", 0, 32, 16, "", "2026-01-01")
UNIT = Unit(7, 9.5, ["00000000000000aa", "00000000000000bb"], [3.0, 2.5], [41.0, 38.0])


@pytest.fixture
def folder(connection: Connection, home: Path) -> Path:
    """The evaluation folder of a model that the graph knows."""
    write_model(connection, MODEL)
    place = home / "data" / "models" / MODEL.id / "evaluation"
    place.mkdir(parents=True)
    return place


def test_units_are_read_with_their_patches(client: httpx.Client, folder: Path) -> None:
    write_units(folder, Units(MODEL.id, "conv5_3", 1200, True, [UNIT]))
    assert client.get(f"/models/{MODEL.id}/units").json() == {
        "model": MODEL.id,
        "layer": "conv5_3",
        "searched": 1200,
        "units": [
            {
                "number": 7,
                "selectivity": 9.5,
                "examples": [
                    {"patch": "00000000000000aa", "response": 3.0, "field_pixels": 41.0},
                    {"patch": "00000000000000bb", "response": 2.5, "field_pixels": 38.0},
                ],
            }
        ],
    }


def test_before_they_are_measured_the_command_is_named(client: httpx.Client, folder: Path) -> None:
    answer = client.get(f"/models/{MODEL.id}/units")
    assert answer.status_code == 404
    assert f"transitive evaluate units --model {MODEL.id}" in answer.json()["detail"]
    write_units(folder, Units(MODEL.id, "conv5_3", 1200, False, [UNIT]))  # names of files: nothing to show here
    assert client.get(f"/models/{MODEL.id}/units").status_code == 404
    assert client.get("/models/none/units").status_code == 404
    (folder / NAME).write_text('{"model": 1}')
    damaged = client.get(f"/models/{MODEL.id}/units")
    assert damaged.status_code >= 500
    assert damaged.headers["content-type"] == "application/problem+json"
