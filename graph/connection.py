"""The Neo4j connection: runs Cypher and returns rows as plain dicts. The only importer of the driver.

Every read and write is a managed transaction which the driver retries while the server restarts, for `patience_s` at
most; then the failure leaves as one of `graph.errors` with its cause and its cure. Rows hold what the query returns, so
queries return maps and scalars (`p {.*}`), never nodes: no driver type leaves this file.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from neo4j import READ_ACCESS, GraphDatabase, ManagedTransaction, NotificationMinimumSeverity
from neo4j.exceptions import (
    AuthError,
    ConfigurationError,
    ConnectionPoolError,
    ConstraintError,
    DatabaseError,
    DatabaseUnavailable,
    DriverError,
    Neo4jError,
    ResultFailedError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph.errors import Conflict, InvalidInput, StorageError, TransitiveError, Unavailable

Row = dict[str, Any]
Statement = tuple[str, Mapping[str, Any]]

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
FETCH_SIZE = 1000  # rows the server sends ahead of the reader: what a stream holds in memory
CONNECT_S = 5.0  # seconds for one attempt to reach the server
_ABOUT_THE_SERVER = (ServiceUnavailable, SessionExpired, ConnectionPoolError, ResultFailedError, ConfigurationError)

# The driver warns at each retry and tells of lost connections, on stderr where nobody set up logging; what matters
# leaves here as an error.
logging.getLogger("neo4j").setLevel(logging.ERROR)
logging.getLogger("neo4j").addHandler(logging.NullHandler())


class AccessRefused(Unavailable):
    """The server is there, but not for this user and password: waiting does not help."""


class Connection:
    """A pool of Bolt connections to one database, safe to share between threads (not between processes)."""

    def __init__(self, uri: str, user: str, password: str, patience_s: float = 30.0) -> None:
        """Prepare a pool for the server at `uri`; nothing is sent before the first query.

        `patience_s` is how long, in seconds, a failed transaction is tried again (the last attempt may start that late,
        and attempts are 1, 2, 4, 8 … seconds apart). Raises `InvalidInput` when `uri` is no Bolt address.
        """
        self.uri = uri
        try:
            parts = urlsplit(uri)
            if parts.scheme not in _SCHEMES or not parts.hostname or parts.port == 0:
                raise InvalidInput(_no_address(uri))
            self._driver = GraphDatabase.driver(
                uri,
                auth=(user, password),
                max_transaction_retry_time=patience_s,
                connection_timeout=CONNECT_S,
                connection_acquisition_timeout=max(patience_s, CONNECT_S),
                liveness_check_timeout=30.0,  # a pooled connection idle for longer may have died with its server
                notifications_min_severity=NotificationMinimumSeverity.OFF,
                telemetry_disabled=True,
            )
        except (ConfigurationError, ValueError):
            raise InvalidInput(_no_address(uri)) from None

    def read(self, query: str, **parameters: Any) -> list[Row]:
        """Run a reading query and return all its rows; raises `Unavailable`."""
        with self._translated(), self._driver.session(fetch_size=FETCH_SIZE) as session:
            return session.execute_read(_run, query, parameters)

    def write(self, query: str, **parameters: Any) -> list[Row]:
        """Run a writing query in a transaction of its own and return its rows.

        Raises `Unavailable`, `StorageError` when the server's disk is full, `Conflict` when a constraint forbids it.
        """
        with self._translated(), self._driver.session() as session:
            return session.execute_write(_run, query, parameters)

    def write_many(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run several queries in one transaction: all of them take effect or none; returns the rows of each.

        Raises as `write` does. The statements are sent again on a retry, so they may not depend on time or chance.
        """
        with self._translated(), self._driver.session() as session:
            return session.execute_write(_run_all, statements)

    def stream(self, query: str, **parameters: Any) -> Iterator[Row]:
        """Yield the rows of a reading query as they arrive, holding `FETCH_SIZE` of them in memory.

        A stream that broke is not resumed (rows were handed out already): it raises `Unavailable`, and the caller
        starts again from its own cursor.
        """
        with (
            self._translated(),
            self._driver.session(fetch_size=FETCH_SIZE, default_access_mode=READ_ACCESS) as session,
            session.begin_transaction() as transaction,
        ):
            result = transaction.run(query, dict(parameters))
            keys = result.keys()
            for record in result:
                yield dict(zip(keys, record.values(), strict=True))

    def verify(self) -> None:
        """Ask the server for a sign of life, once; raises `Unavailable` with the cause and the cure."""
        with self._translated():
            self._driver.verify_connectivity()

    def close(self) -> None:
        """Close the pool; the connection cannot be used afterwards."""
        self._driver.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OverflowError:
            raise InvalidInput("A number is outside the 64-bit integers that Neo4j stores.") from None
        except UnicodeEncodeError:
            raise InvalidInput("A text holds half of a surrogate pair, which is no character.") from None
        except (DriverError, Neo4jError, OSError) as error:
            known = self._known(error)
            if known is None:
                raise
            raise known from error

    def _known(self, error: Exception) -> TransitiveError | None:
        """Turn what a user can meet into an error of ours; None for a mistake in our own Cypher."""
        text = _first_line(error)
        if "No space left on device" in str(error):
            return StorageError(f"The disk of Neo4j at {self.uri} is full. Free some space and start Neo4j again.")
        match error:
            case AuthError():
                return AccessRefused(
                    f"Neo4j at {self.uri} refuses the user or password. NEO4J_USER and NEO4J_PASSWORD must fit the "
                    "server in NEO4J_URI; the local server's password is in secrets/neo4j_password of the home folder."
                )
            case ConstraintError():
                return Conflict(f"The graph holds this already: {text}")
            case TransientError() if "memory" in text.lower():
                return Unavailable(
                    f"Neo4j at {self.uri} has too little memory for this ({text}). Give it a larger heap."
                )
            case TransientError() if not isinstance(error, DatabaseUnavailable):
                return Unavailable(f"Neo4j at {self.uri} is too busy ({text}). Run the same command again.")
            case DatabaseError():
                return StorageError(
                    f"Neo4j at {self.uri} failed, as it does when its disk is full ({text}). Free some space and start "
                    "it again (`transitive down`, `transitive up`); its log is in neo4j/logs of the home folder."
                )
            case Neo4jError() if not isinstance(error, DatabaseUnavailable):
                return None
            case DriverError() if not isinstance(error, _ABOUT_THE_SERVER):
                return None
        return Unavailable(
            f"Neo4j at {self.uri} does not answer ({text}). "
            "`transitive up` starts the local one; NEO4J_URI points to another."
        )


def _no_address(uri: str) -> str:
    return f"NEO4J_URI is no Bolt address of a Neo4j server: {uri!r}. Example: bolt://host:7687"


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, Neo4jError) else str(error)
    return (text or type(error).__name__).strip().splitlines()[0].rstrip(":")


def _run(transaction: ManagedTransaction, query: str, parameters: Mapping[str, Any]) -> list[Row]:
    result = transaction.run(query, dict(parameters))
    keys = result.keys()
    return [dict(zip(keys, record.values(), strict=True)) for record in result]


def _run_all(transaction: ManagedTransaction, statements: Sequence[Statement]) -> list[list[Row]]:
    return [_run(transaction, query, parameters) for query, parameters in statements]
