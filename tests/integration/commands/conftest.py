"""A home in which every step of the README has run once; the tests of this folder share it, in the order of the files.

A test may add to the graph. It leaves the clips, the models and their embeddings as they are.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graph.connection import Connection
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails
from tests.conftest import empty_graph
from tests.integration.conftest import Workshop

SMALL = ("--preset", "demo", "--iterations", "11")  # two lines in the journal: enough for a curve


@dataclass(frozen=True)
class LearnedHome:
    """A home with clips, a start, links, a transitive model and its embeddings."""

    workshop: Workshop
    connection: Connection
    clips: list[Path]
    report: dict[str, Any]  # what `transitive report --json` printed

    def run(self, *arguments: str | Path, **changes: str) -> dict[str, Any]:
        """Run `transitive ARGUMENTS --json` to success and return what it printed."""
        return run_json(self.workshop, *arguments, **changes)

    @property
    def model(self) -> str:
        """The id of the transitive model."""
        return str(self.report["models"]["after"]["id"])


def run_json(workshop: Workshop, *arguments: str | Path, **changes: str) -> dict[str, Any]:
    """Run a command to success and return its JSON object."""
    result = workshop.run(*arguments, "--json", **changes)
    assert result.code == 0, (arguments, result.err)
    return result.facts


def whole_way(workshop: Workshop, clips: list[Path]) -> dict[str, Any]:
    """Run the steps of the README on some clips; returns the facts of the report."""
    for arguments in (
        ("ingest", *clips),
        ("train", "contrast", *SMALL),
        ("link", "--group", "2", "--parents", "3", "--smallest", "1"),
        ("train", "transitive", *SMALL),
        ("embed",),
    ):
        run_json(workshop, *arguments)
    return run_json(workshop, "report")


@pytest.fixture(scope="package")
def learned(celery_workers: Workshop, neo4j_server: Neo4jDetails, clips: list[Path]) -> Iterator[LearnedHome]:
    """The home after the whole way."""
    shutil.rmtree(celery_workers.settings.data, ignore_errors=True)
    with neo4j_server.connect() as connection:
        apply_schema(connection)
        empty_graph(connection)
        yield LearnedHome(celery_workers, connection, clips, whole_way(celery_workers, clips))
