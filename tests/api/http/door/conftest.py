"""Servers without Neo4j and Redis, because access checks need neither."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from api.keys import KeyStore, Scope
from graph.settings import Settings, load_settings
from tests.api.conftest import serving

Serve = Callable[..., httpx.Client]


def settings_of(home: Path, **changes: str) -> Settings:
    """Settings of a home whose Neo4j and Redis are away."""
    named = {
        "NEO4J_URI": "bolt://127.0.0.1:1",
        "NEO4J_PASSWORD": "the-neo4j-password",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    return load_settings({"TRANSITIVE_HOME": str(home), **named, **changes})


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A function that starts a server of one home with further settings."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(serving(settings_of(tmp_path, **changes)))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[Scope, str]:
    """A key of each scope, of the home `guarded` serves."""
    store = KeyStore(tmp_path_factory.mktemp("keys", numbered=False))
    return {scope: store.create(f"for {scope}", scope)[1] for scope in Scope}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, keys: dict[Scope, str]) -> Iterator[httpx.Client]:
    """A server that asks for a key."""
    home = tmp_path_factory.getbasetemp() / "keys"
    with serving(settings_of(home, TRANSITIVE_REQUIRE_KEY="true")) as client:
        yield client
