"""Shared fixtures: one real Neo4j and one real Redis for the whole test run, started at their first use."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from graph.connection import Connection
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails, Neo4jServer
from graph.settings import load_settings, settings
from tests.parallel import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.ports import quiet_port
from workers.redis_server import RedisServer

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]  # hooks, which pytest finds here

_EMPTY = "MATCH (n) WITH n LIMIT 20000 DETACH DELETE n RETURN count(*) AS deleted"


def empty_graph(connection: Connection) -> None:
    """Delete every node and edge."""
    while connection.write(_EMPTY)[0]["deleted"]:
        pass


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real clips beside the repository; without it, tests that need it are skipped."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real clips of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def jar_cache() -> Path:
    """This machine's cache of jars, which all home folders share; the first test run may fill it."""
    return load_settings({}).cache


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the test run's servers; its name contains a space, as users' folders may."""
    return tmp_path_factory.mktemp("servers of the test run")


@pytest.fixture(scope="session")
def neo4j_server(servers_home: Path, jar_cache: Path) -> Iterator[Neo4jDetails]:
    """Address and password of a running Neo4j."""
    server = Neo4jServer(servers_home, jar_cache, bolt_port=quiet_port(), http_port=quiet_port())
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def redis_url(servers_home: Path, jar_cache: Path) -> Iterator[str]:
    """URL of a running Redis, with its password."""
    server = RedisServer(servers_home, jar_cache, port=quiet_port())
    yield server.start()
    server.stop()


@pytest.fixture
def connection(neo4j_server: Neo4jDetails) -> Iterator[Connection]:
    """Connection to the test run's Neo4j, with the schema applied and an empty graph."""
    with neo4j_server.connect() as connection:
        apply_schema(connection)
        empty_graph(connection)
        yield connection


@pytest.fixture
def home(
    tmp_path: Path, neo4j_server: Neo4jDetails, redis_url: str, jar_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty home folder; the settings of this process and its children use the test run's servers."""
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


_QUIET = [
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where screenshots are kept for people to look at; git ignores it."""
    folder = Path(__file__).parents[1] / ".artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def page() -> Iterator[Page]:
    """One empty page of a fresh browser; skipped where no Chromium is installed (apt install chromium)."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian and Ubuntu: apt install chromium)")
    arguments = _QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.set_default_timeout(60_000)
        yield page
        browser.close()
