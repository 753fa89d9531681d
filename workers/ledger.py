"""The queue's book-keeping on (:Job) nodes: opening, claiming, heartbeats, cancelling and closing a job.

    queued ──claim──> running ──finish──> done | failed
      │                  │
      └──cancel──> cancelled <──finish── cancelling

A running job's `updated_at` is its heartbeat. Every change of state takes the node's lock before it looks at the state
(the first SET), so that of two workers that got the same message only one runs it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from graph.connection import Connection
from graph.errors import NotFound
from graph.records import Job, JobKind
from graph.rows import as_record

STALE_SECONDS = 30  # no heartbeat for this long: the worker is gone (it beats every 5 seconds)

_OPEN = """
MERGE (job:Job {id: $id})
ON CREATE SET job.created_at = $now
SET job.kind = $kind
WITH job, coalesce(job.state, '') IN ['queued', 'running', 'cancelling'] AS active
FOREACH (ignored IN CASE WHEN active THEN [] ELSE [1] END |
    SET job.state = 'queued', job.target = $target, job.arguments = $arguments, job.stage = '', job.done = 0,
        job.total = 0, job.unit = '', job.reason = '', job.result = '', job.owner = '', job.created_at = $now,
        job.updated_at = $now, job.finished_at = '')
RETURN job {.*} AS job, NOT active AS fresh
"""

_CLAIM = """
MATCH (job:Job {id: $id})
SET job.kind = job.kind
WITH job, job.state IN ['queued', 'running', 'cancelling'] AS open,
     job.state = 'running' AND job.updated_at > $stale AS busy
FOREACH (ignored IN CASE WHEN open AND NOT busy AND job.state <> 'cancelling' THEN [1] ELSE [] END |
    SET job.state = 'running', job.owner = $owner, job.updated_at = $now)
FOREACH (ignored IN CASE WHEN job.state = 'cancelling' AND job.updated_at <= $stale THEN [1] ELSE [] END |
    SET job.state = 'cancelled', job.updated_at = $now, job.finished_at = $now)
RETURN job {.*} AS job, open, busy
"""

_BEAT = """
MATCH (job:Job {id: $id})
SET job.updated_at = $now, job.stage = $stage, job.done = $done, job.total = $total, job.unit = $unit
RETURN job.state AS state, job.owner AS owner
"""

_FINISH = """
MATCH (job:Job {id: $id})
WHERE $owner = '' OR job.owner = $owner
SET job.state = $state, job.reason = $reason, job.result = $result, job.updated_at = $now,
    job.finished_at = CASE WHEN $state = 'queued' THEN '' ELSE $now END
"""

_HAND_OVER = """
MATCH (job:Job {id: $id, owner: $owner})
SET job.state = CASE WHEN job.state = 'cancelling' THEN 'cancelled' ELSE 'queued' END,
    job.arguments = $arguments, job.updated_at = $now
"""

_ORPHAN = """
MATCH (job:Job {id: $id})
SET job.kind = job.kind
WITH job WHERE job.state IN ['running', 'cancelling']
SET job.finished_at = CASE WHEN job.state = 'running' THEN '' ELSE $now END,
    job.state = CASE WHEN job.state = 'running' THEN 'queued' ELSE 'cancelled' END,
    job.owner = '',
    job.updated_at = $now
"""

_CANCEL = """
UNWIND $ids AS id
MATCH (job:Job {id: id})
SET job.kind = job.kind
WITH job WHERE job.state IN ['queued', 'running']
SET job.finished_at = CASE WHEN job.state = 'queued' THEN $now ELSE '' END,
    job.state = CASE WHEN job.state = 'queued' THEN 'cancelled' ELSE 'cancelling' END
"""

_FORGET_SEGMENTS = "MATCH (job:Job {kind: 'segment'}) WHERE job.arguments CONTAINS $video DETACH DELETE job"

_GET = "UNWIND $ids AS id MATCH (job:Job {id: id}) RETURN job {.*} AS job"

_OPEN_JOBS = """
MATCH (job:Job)
WHERE job.state IN ['queued', 'running', 'cancelling']
RETURN job {.*} AS job ORDER BY job.created_at
"""


def now() -> str:
    """Return the time as ISO 8601 in UTC with microseconds, which sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _stale() -> str:
    return (datetime.now(UTC) - timedelta(seconds=STALE_SECONDS)).isoformat(timespec="microseconds")


def _job(node: dict[str, Any]) -> Job:
    return as_record(Job, node)


def open_job(
    connection: Connection, identifier: str, kind: JobKind, target: str, arguments: dict[str, Any]
) -> tuple[Job, bool]:
    """Create the job, or queue it again when it is finished; returns it and whether a message must be sent."""
    text = json.dumps(arguments, sort_keys=True)
    row = connection.write(_OPEN, id=identifier, kind=kind, target=target, arguments=text, now=now())[0]
    return _job(row["job"]), bool(row["fresh"])


def claim(connection: Connection, identifier: str, owner: str) -> tuple[Job, dict[str, Any]] | None:
    """Take a job for the worker `owner`; returns it with its arguments, or None when there is nothing to do.

    Raises `BlockingIOError` when another worker is running it (its heartbeat is fresh).
    """
    rows = connection.write(_CLAIM, id=identifier, owner=owner, now=now(), stale=_stale())
    if not rows or not rows[0]["open"]:
        return None
    if rows[0]["busy"]:
        raise BlockingIOError(identifier)
    job = _job(rows[0]["job"])
    return (job, json.loads(rows[0]["job"]["arguments"])) if job.state == "running" else None


def beat(connection: Connection, identifier: str, owner: str, stage: str, done: int, total: int, unit: str) -> bool:
    """Write a running job's heartbeat and progress; False when it should stop (cancelled, or taken by another)."""
    rows = connection.write(_BEAT, id=identifier, now=now(), stage=stage, done=done, total=total, unit=unit)
    return bool(rows) and rows[0]["state"] == "running" and rows[0]["owner"] == owner


def finish(
    connection: Connection, identifier: str, state: str, *, owner: str = "", reason: str = "", result: str = ""
) -> None:
    """Close a job as done, failed or cancelled (or give it back as queued); an `owner` that lost it changes nothing."""
    connection.write(_FINISH, id=identifier, state=state, owner=owner, reason=reason, result=result, now=now())


def hand_over(connection: Connection, identifier: str, owner: str, arguments: dict[str, Any]) -> None:
    """Give a running job to the next queue, with the arguments it goes on with."""
    connection.write(_HAND_OVER, id=identifier, owner=owner, arguments=json.dumps(arguments, sort_keys=True), now=now())


def orphan(connection: Connection, identifier: str) -> None:
    """Take a job from its worker, which is dead or silent; one that wakes up again changes nothing any more."""
    connection.write(_ORPHAN, id=identifier, now=now())


def cancel(connection: Connection, identifiers: Iterable[str]) -> None:
    """Ask jobs to stop: queued ones are cancelled at once, running ones at their next heartbeat."""
    connection.write(_CANCEL, ids=list(identifiers), now=now())


def forget_segments(connection: Connection, video: str) -> None:
    """Remove the jobs of a video's segments; whoever runs one stops at its next heartbeat."""
    connection.write(_FORGET_SEGMENTS, video=video)


def jobs(connection: Connection, identifiers: Iterable[str]) -> dict[str, Job]:
    """Read many jobs at once."""
    return {row["job"]["id"]: _job(row["job"]) for row in connection.read(_GET, ids=list(identifiers))}


def arguments(connection: Connection, identifier: str) -> dict[str, Any]:
    """Read what a job was asked to do; raises `NotFound`."""
    rows = connection.read(_GET, ids=[identifier])
    if not rows:
        raise NotFound(f"There is no job {identifier}.")
    found: dict[str, Any] = json.loads(rows[0]["job"].get("arguments") or "{}")
    return found


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An unfinished job with what recovery must know: who runs it, and whether nobody has touched it for long."""

    job: Job
    owner: str
    stale: bool


def open_jobs(connection: Connection) -> list[OpenJob]:
    """List all unfinished jobs, oldest first."""
    limit = _stale()
    nodes = [row["job"] for row in connection.read(_OPEN_JOBS)]
    return [OpenJob(_job(node), node.get("owner", ""), node["updated_at"] <= limit) for node in nodes]
