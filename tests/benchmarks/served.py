"""Servers of their own processes for benchmarks: the API with a real Neo4j and Redis, and any ASGI app beside it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from graph.models import write_model
from graph.records import Model
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jServer
from graph.settings import load_settings
from tests.ports import quiet_port
from workers.redis_server import RedisServer

PATIENCE_S = 300.0  # a server that imports torch on a busy machine takes minutes


@dataclass(frozen=True)
class Served:
    """A server on this machine."""

    port: int
    process: int

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served_api(home: Path, models: Sequence[Model]) -> Iterator[Served]:
    """Serve a home whose graph has these models, as `transitive up` does."""
    cache = load_settings({}).cache
    neo4j, redis = Neo4jServer(home, cache, bolt_port=0, http_port=0), RedisServer(home, cache, port=quiet_port())
    details = neo4j.start()
    try:
        named = {
            "TRANSITIVE_HOME": str(home),
            "NEO4J_URI": details.bolt_uri,
            "NEO4J_PASSWORD": details.password,
            "REDIS_URL": redis.start(),
        }
        with details.connect() as connection:
            apply_schema(connection)
            for model in models:
                write_model(connection, model)
        with _process(["api.http.serve"], named, "/healthz") as served:
            yield served
    finally:
        redis.stop()
        neo4j.stop()


@contextmanager
def served_app(factory: str, environment: Mapping[str, str]) -> Iterator[Served]:
    """Serve the app that `factory` ("module:function") makes, by uvicorn with its defaults."""
    with _process(
        ["uvicorn", "--factory", factory, "--no-access-log", "--log-level", "warning"], environment, "/"
    ) as served:
        yield served


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], known_path: str) -> Iterator[Served]:
    port = quiet_port()
    process = subprocess.Popen([sys.executable, "-m", *command, "--port", str(port)], env={**os.environ, **environment})
    served = Served(port, process.pid)
    try:
        _wait_until_it_answers(process, served.address + known_path)
        yield served
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", address: str) -> None:
    """Wait for an answer of any status; raises `RuntimeError` if the server ends or is silent for `PATIENCE_S`."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            httpx.get(address)
            return
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with status {process.returncode}. Its last lines are above.")
        time.sleep(0.1)
    raise RuntimeError(f"The server did not answer at {address} within {PATIENCE_S:.0f} s.")
