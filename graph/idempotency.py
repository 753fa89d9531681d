"""Idempotency keys, with which a client can repeat a request without starting its job twice.

(:IdempotencyKey {key, request, job, at})

`key` is a hash of the client's text, its API key and the route. `request` identifies the request that was sent with it.
"""

from datetime import UTC, datetime, timedelta

from graph.connection import Connection
from graph.errors import InvalidInput

KEPT = timedelta(hours=24)

_GET = """
MATCH (k:IdempotencyKey {key: $key})
RETURN k.request AS request, k.job AS job
"""
_REMEMBER = """
MERGE (k:IdempotencyKey {key: $key})
ON CREATE SET k.request = $request, k.job = $job, k.at = $at
"""
_FORGET = """
MATCH (k:IdempotencyKey) WHERE k.at < $before
DELETE k
"""


def job_of_key(connection: Connection, key: str, request: str) -> str:
    """Return the job that a key started, "" for a new key; raises `InvalidInput` if it was used for another request."""
    rows = connection.read(_GET, key=key)
    if rows and rows[0]["request"] != request:
        raise InvalidInput("This Idempotency-Key was sent with another request. Use a new key.")
    return str(rows[0]["job"]) if rows else ""


def remember_key(connection: Connection, key: str, request: str, job: str) -> None:
    """Store the job that a key started, for `KEPT`."""
    connection.write(_REMEMBER, key=key, request=request, job=job, at=datetime.now(UTC).isoformat())


def forget_old_keys(connection: Connection) -> None:
    """Delete the keys that are older than `KEPT`."""
    connection.write(_FORGET, before=(datetime.now(UTC) - KEPT).isoformat())
