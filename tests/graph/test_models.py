"""Tests of models: replacement, paging, and the newest model."""

import pytest

from graph.errors import NotFound
from graph.models import get_model, latest_model, list_models, write_model
from graph.records import Model


def model(name: str, recipe: str = "transitive", step: int = 10, created_at: str = "2026-01-01") -> Model:
    return Model(name, recipe, "demo", step, 4608, 1024, "g1", created_at)


def test_a_model_that_trained_on_takes_its_own_place(connection):
    write_model(connection, model("m", step=10))
    write_model(connection, model("m", step=20))
    assert list_models(connection) == [model("m", step=20)]
    assert get_model(connection, "m").step == 20


def test_the_newest_of_a_recipe_is_found(connection):
    write_model(connection, model("c", "context", created_at="2026-01-09"))
    write_model(connection, model("a", created_at="2026-01-02"))
    write_model(connection, model("b", created_at="2026-01-01"))
    assert latest_model(connection, "transitive").id == "a"
    assert latest_model(connection).id == "c"
    with pytest.raises(NotFound, match=r"no tracking model yet\. Train tracking"):
        latest_model(connection, "tracking")


def test_pages_hold_everything_once(connection):
    for number in range(5):
        write_model(connection, model(f"m{number}"))
    first = list_models(connection, limit=3)
    assert [m.id for m in first + list_models(connection, after=first[-1].id)] == ["m0", "m1", "m2", "m3", "m4"]
    with pytest.raises(NotFound, match="no model m9"):
        get_model(connection, "m9")
