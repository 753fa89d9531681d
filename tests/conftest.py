"""What tests of every room stand on: one real Neo4j and one real Redis for the whole run, started at first use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.connection import Connection
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails, Neo4jServer
from graph.settings import load_settings, settings
from tests.ports import quiet_port
from workers.redis_server import RedisServer

_EMPTY = "MATCH (n) WITH n LIMIT 20000 DETACH DELETE n RETURN count(*) AS deleted"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the repository; tests that need it are skipped without."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real clips of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def jar_cache() -> Path:
    """The jars' cache of this machine, shared with every home folder: the first test run may fill it."""
    return load_settings({}).cache


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the test run's servers; its name has a space, as users' folders do."""
    return tmp_path_factory.mktemp("servers of the test run")


@pytest.fixture(scope="session")
def neo4j_server(servers_home: Path, jar_cache: Path) -> Iterator[Neo4jDetails]:
    """A running Neo4j: how to reach it."""
    server = Neo4jServer(servers_home, jar_cache, bolt_port=quiet_port(), http_port=quiet_port())
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def redis_url(servers_home: Path, jar_cache: Path) -> Iterator[str]:
    """A running Redis: its address with the password."""
    server = RedisServer(servers_home, jar_cache, port=quiet_port())
    yield server.start()
    server.stop()


@pytest.fixture
def connection(neo4j_server: Neo4jDetails) -> Iterator[Connection]:
    """A connection to the test run's Neo4j: the schema is there, the graph is empty."""
    with neo4j_server.connect() as connection:
        apply_schema(connection)
        while connection.write(_EMPTY)[0]["deleted"]:
            pass
        yield connection


@pytest.fixture
def home(
    tmp_path: Path, neo4j_server: Neo4jDetails, redis_url: str, jar_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty TRANSITIVE_HOME whose settings (in this process and its children) name the test run's servers."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("TRANSITIVE_HOME", str(folder))
    monkeypatch.setenv("TRANSITIVE_CACHE", str(jar_cache))
    monkeypatch.setenv("NEO4J_URI", neo4j_server.bolt_uri)
    monkeypatch.setenv("NEO4J_USER", neo4j_server.user)
    monkeypatch.setenv("NEO4J_PASSWORD", neo4j_server.password)
    monkeypatch.setenv("REDIS_URL", redis_url)
    settings.cache_clear()
    yield folder
    settings.cache_clear()
