"""Tests of the schema: applying it twice changes nothing, and the queries that must be fast use its indexes."""

import pytest

from graph.errors import Conflict
from graph.schema import CONSTRAINTS, INDEXES, apply_schema

_INDEXES = "SHOW INDEXES YIELD name, labelsOrTypes, properties, state, type WHERE type = 'RANGE' RETURN *"


def test_applying_it_twice_changes_nothing(connection):
    before = {row["name"]: row for row in connection.read(_INDEXES)}
    apply_schema(connection)
    assert {row["name"]: row for row in connection.read(_INDEXES)} == before
    assert len(before) == len(CONSTRAINTS) + len(INDEXES)
    assert {row["state"] for row in before.values()} == {"ONLINE"}


@pytest.mark.parametrize("label", ["Video", "Patch", "Model", "Job", "Generation"])
def test_an_id_is_there_once(connection, label: str):
    connection.write(f"CREATE (:{label} {{id: 'same'}})")
    with pytest.raises(Conflict, match="already"):
        connection.write(f"CREATE (:{label} {{id: 'same'}})")


def test_two_generations_may_count_their_clusters_alike(connection):
    for generation in ("one", "two"):
        connection.write("CREATE (:ParentCluster {generation: $g, id: 0})", g=generation)
    with pytest.raises(Conflict):
        connection.write("CREATE (:ParentCluster {generation: 'one', id: 0})")
