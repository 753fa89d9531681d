"""A session of one command: the running stack of a home, and a connection to its graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.cli.stack import Stack
from api.cli.terminal import Bars
from graph.connection import Connection
from graph.errors import Unavailable
from graph.settings import Settings, settings
from workers.stage_context import StageContext


@dataclass(frozen=True, slots=True)
class Session:
    """A running stack and the context of its stages: settings with all addresses, connection and shards."""

    stack: Stack
    context: StageContext

    @property
    def connection(self) -> Connection:
        """The connection to the graph."""
        return self.context.connection

    @property
    def redis_url(self) -> str:
        """The address of Redis, password included: never print it."""
        return self.context.redis_url


@contextmanager
def open_session(home: Settings | None = None, api: bool = True) -> Iterator[Session]:
    """Start the stack of `home` (default: the settings' home) and connect to it; `api=False` does not start the API."""
    stack = Stack(home or settings())
    with Bars() as bars:
        context = StageContext.open(stack.up(bars, api))
    with context.connection:
        yield Session(stack, context)


def open_graph() -> Connection:
    """Connect to the graph without starting a server; raises `Unavailable` if Neo4j does not run."""
    addresses = Stack(settings()).addresses()
    if not addresses.neo4j_uri:
        raise Unavailable("Neo4j does not run. `transitive up` starts it.")
    return connect(addresses)


def connect(found: Settings, patience_s: float = 30.0) -> Connection:
    """Connect to the Neo4j that these settings name."""
    return Connection(found.neo4j_uri, found.neo4j_user, found.neo4j_password.get_secret_value(), patience_s)
