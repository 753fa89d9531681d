"""The Neo4j connection: runs Cypher and returns rows as plain dicts. The only importer of the driver.

Every read and write is a managed transaction, which the driver retries for up to `patience_s` while the server
restarts, and after a deadlock. A transaction that meets a node which another one deletes is run again here, because
Neo4j calls that a mistake of the client (`EntityNotFound`) or returns the node without its properties. A lasting
failure is raised as one of `graph.errors` with its cause and its cure. No driver type leaves this file: queries return
maps and scalars (`p {.*}`), never nodes.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from neo4j import READ_ACCESS, GraphDatabase, ManagedTransaction, NotificationMinimumSeverity, Session
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
from graph.torn_rows import torn

Row = dict[str, Any]
Answer = TypeVar("Answer")
Statement = tuple[str, Mapping[str, Any]]

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
FETCH_SIZE = 1000  # rows that a stream holds in memory
CONNECT_S = 5.0  # timeout of one attempt to connect
ATTEMPTS = 6  # of a transaction that meets concurrent deletions; in a read loop beside four deleting ones, 2 sufficed
FIRST_PAUSE_S = 0.01  # after the first attempt; it doubles
_DELETED = "Neo.ClientError.Statement.EntityNotFound"
# by the server, because of its time limit, at its shutdown, or because a person ended the transaction
_ENDED = tuple(
    f"Neo.ClientError.Transaction.{name}"
    for name in (
        "Terminated",
        "TransactionTerminated",
        "LockClientStopped",
        "TransactionTimedOut",
        "TransactionTimedOutClientConfiguration",
    )
)
_ABOUT_THE_SERVER = (ServiceUnavailable, SessionExpired, ConnectionPoolError, ResultFailedError, ConfigurationError)

# The driver logs every retry and every lost connection, to stderr if logging is not set up. Lasting failures are raised
# as errors here, so these messages are suppressed.
logging.getLogger("neo4j").setLevel(logging.ERROR)
logging.getLogger("neo4j").addHandler(logging.NullHandler())


class AccessRefused(Unavailable):
    """The server rejects this user and password, so a retry does not help."""


class _Disturbed(Unavailable):
    """The transaction met a node or an edge that another one deleted meanwhile, so it can be run again at once."""

    def __init__(self, rows: "list[Row] | None" = None) -> None:
        super().__init__("Neo4j is deleting what this request needs. Try again.")
        self.rows = rows  # torn ones, if a query returned such


class Connection:
    """A pool of Bolt connections to one database. Threads may share it; processes may not."""

    def __init__(self, uri: str, user: str, password: str, patience_s: float = 30.0) -> None:
        """Prepare a pool for the server at `uri`; nothing is sent before the first query.

        `patience_s` is the time in seconds within which a failed transaction is retried, after 1, 2, 4, 8 … seconds.
        Raises `InvalidInput` when `uri` is not a Bolt address.
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
        """Run a read query and return all its rows, none of them torn by a concurrent deletion.

        Raises `Unavailable`.
        """
        return self._undisturbed(lambda session, known: session.execute_read(_run, query, parameters, known))

    def write(self, query: str, **parameters: Any) -> list[Row]:
        """Run a write query in its own transaction and return its rows.

        Raises `Unavailable`, `StorageError` when the server's disk is full, and `Conflict` on a violated constraint.
        """
        return self._undisturbed(lambda session, known: session.execute_write(_run, query, parameters, known))

    def write_many(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run several queries in one transaction and return the rows of each.

        Raises as `write` does. A retry sends the statements again, so they must not depend on time or chance.
        """
        return self._undisturbed(lambda session, known: session.execute_write(_run_all, statements, known))

    def stream(self, query: str, **parameters: Any) -> Iterator[Row]:
        """Yield the rows of a read query as they arrive; at most `FETCH_SIZE` are in memory.

        A broken stream raises `Unavailable` and is not retried, because some rows have been yielded already. The
        caller restarts from its own cursor.
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
        """Check once that the server answers; raises `Unavailable` with the cause and the cure."""
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

    def _undisturbed(self, transaction: Callable[[Session, list[list[Row]]], Answer]) -> Answer:
        """Run a transaction, up to `ATTEMPTS` times in all if concurrent deletions disturb it.

        Rows that look torn and come a second time are what the graph holds, and are returned.
        """
        known: list[list[Row]] = []
        attempt = 1
        while True:
            try:
                with self._translated(), self._driver.session(fetch_size=FETCH_SIZE) as session:
                    return transaction(session, known)
            except _Disturbed as found:
                if attempt == ATTEMPTS:
                    raise
                known += [found.rows] if found.rows is not None else []
                time.sleep(FIRST_PAUSE_S * 2**attempt)
                attempt += 1

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OverflowError:
            raise InvalidInput("A number is too large: Neo4j stores 64-bit integers.") from None
        except UnicodeEncodeError:
            raise InvalidInput("A text contains half of a surrogate pair, which is not a character.") from None
        except (DriverError, Neo4jError, OSError) as error:
            known = self._known(error)
            if known is None:
                raise
            raise known from error

    def _known(self, error: Exception) -> TransitiveError | None:
        """Translate a failure of the server into one of `graph.errors`; None for a mistake in our own Cypher."""
        text = _first_line(error)
        if "No space left on device" in str(error):
            return StorageError(f"The disk of Neo4j at {self.uri} is full. Free some space and start Neo4j again.")
        match error:
            case AuthError():
                return AccessRefused(
                    f"Neo4j at {self.uri} refuses the user or password. Set NEO4J_USER and NEO4J_PASSWORD of that "
                    "server; the local server's password is in secrets/neo4j_password of the home folder."
                )
            case ConstraintError():
                return Conflict(f"The graph already contains this: {text}")
            case TransientError() if "memory" in text.lower():
                return Unavailable(
                    f"Neo4j at {self.uri} has too little memory for this query ({text}). Give it a larger heap."
                )
            case TransientError() if not isinstance(error, DatabaseUnavailable):
                return Unavailable(f"Neo4j at {self.uri} is too busy ({text}). Try again.")
            case DatabaseError():
                return StorageError(
                    f"Neo4j at {self.uri} failed ({text}). A full disk is the usual cause. Free some space and "
                    "restart Neo4j (`transitive down`, `transitive up`). Its log is in neo4j/logs of the home folder."
                )
            case Neo4jError(code=str(code)) if code == _DELETED:
                return _Disturbed()
            case Neo4jError(code=str(code)) if code in _ENDED:
                return Unavailable(f"Neo4j at {self.uri} ended the transaction ({text}). Try again.")
            case Neo4jError() if not isinstance(error, DatabaseUnavailable):
                return None
            case DriverError() if not isinstance(error, _ABOUT_THE_SERVER):
                return None
        return Unavailable(
            f"Neo4j at {self.uri} does not answer ({text}). "
            "Start the local one (`transitive up`), or set NEO4J_URI to another."
        )


def _no_address(uri: str) -> str:
    return f"NEO4J_URI is not a Bolt address: {uri!r}. Example: bolt://host:7687"


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, Neo4jError) else str(error)
    return (text or type(error).__name__).strip().splitlines()[0].rstrip(":")


def _run(
    transaction: ManagedTransaction, query: str, parameters: Mapping[str, Any], known: Sequence[list[Row]]
) -> list[Row]:
    result = transaction.run(query, dict(parameters))
    keys = result.keys()
    rows = [dict(zip(keys, record.values(), strict=True)) for record in result]
    if torn(rows) and rows not in known:
        raise _Disturbed(rows)  # which rolls the transaction back
    return rows


def _run_all(
    transaction: ManagedTransaction, statements: Sequence[Statement], known: Sequence[list[Row]]
) -> list[list[Row]]:
    return [_run(transaction, query, parameters, known) for query, parameters in statements]
