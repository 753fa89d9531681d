"""A Neo4j of its own with an empty graph, for benchmarks and pictures, which run outside pytest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails, Neo4jServer
from graph.settings import load_settings


@contextmanager
def temporary_neo4j() -> Iterator[Neo4jDetails]:
    """Start a server in a temporary folder, apply the schema, and stop the server at the end."""
    with TemporaryDirectory() as home:
        server = Neo4jServer(Path(home), load_settings({}).cache, bolt_port=0, http_port=0)
        try:
            details = server.start()
            with details.connect() as connection:
                apply_schema(connection)
            yield details
        finally:
            server.stop()
