"""Keys by which a client repeats a request without starting its job twice.

(:IdempotencyKey {key, request, job, at})    `request` tells apart requests that were sent with the same key
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
    """Return the job that a key started, "" for a new key; raises `InvalidInput` where it came with another request."""
    rows = connection.read(_GET, key=key)
    if rows and rows[0]["request"] != request:
        raise InvalidInput(f"Idempotency-Key {key!r} was sent with another request. Take a new key.")
    return str(rows[0]["job"]) if rows else ""


def remember_key(connection: Connection, key: str, request: str, job: str) -> None:
    """Remember which job a key started, for `KEPT`."""
    connection.write(_REMEMBER, key=key, request=request, job=job, at=datetime.now(UTC).isoformat())


def forget_old_keys(connection: Connection) -> None:
    """Forget the keys that are older than `KEPT`."""
    connection.write(_FORGET, before=(datetime.now(UTC) - KEPT).isoformat())
