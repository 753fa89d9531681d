"""Schemathesis over the OpenAPI document: whatever it draws, the server answers as the document says."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from graph.connection import Connection
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails
from graph.settings import load_settings
from tests.api.conftest import serving

EXAMPLES = 4  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# streams end with their job or never, and without workers /readyz rightly answers 503
LEFT_OUT = r"^/(jobs/events|jobs/\{job_id\}/events|readyz)$"


@pytest.fixture(scope="module")
def document(
    neo4j_server: Neo4jDetails, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[schemathesis.BaseSchema]:
    """The document of a running app with an empty graph."""
    environment = {
        "TRANSITIVE_HOME": str(tmp_path_factory.mktemp("document")),
        "NEO4J_URI": neo4j_server.bolt_uri,
        "NEO4J_USER": neo4j_server.user,
        "NEO4J_PASSWORD": neo4j_server.password,
        "REDIS_URL": redis_url,
    }
    with neo4j_server.connect() as connection, serving(load_settings(environment)) as client:
        _empty(connection)
        yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json").exclude(path_regex=LEFT_OUT)


def _empty(connection: Connection) -> None:
    apply_schema(connection)
    connection.write("MATCH (n) DETACH DELETE n")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS, timeout=30)
