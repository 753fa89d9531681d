"""The (:Job) nodes: one for each long-running task, with its state, progress, request and outcome.

(:Job {id, kind, state, target, arguments, owner, stage, done, total, unit, reason, result, training,
       created_at, updated_at, finished_at})

    queued ──claim──> running ──finish──> done | failed
      │                  │
      └──cancel──> cancelled <──finish── cancelling

A running job's `updated_at` is its heartbeat. Every query that changes the state first takes the node's write lock (its
first SET) and then reads the state. If two workers receive the same message, only one of them runs the job.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from graph.connection import Connection
from graph.errors import Conflict, NotFound
from graph.records import ENDED, Job, JobKind, JobState
from graph.rows import as_record

STALE_SECONDS = 30  # a worker whose last heartbeat is older counts as dead; heartbeats are 5 seconds apart

_OPEN = """
MERGE (job:Job {id: $id})
ON CREATE SET job.created_at = $now
SET job.kind = $kind
WITH job, job.state IS NOT NULL AND NOT job.state IN $ended AS active
FOREACH (ignored IN CASE WHEN active THEN [] ELSE [1] END |
    SET job.state = 'queued', job.target = $target, job.arguments = $arguments, job.stage = '', job.done = 0,
        job.total = 0, job.unit = '', job.reason = '', job.result = '', job.owner = '', job.created_at = $now,
        job.updated_at = $now, job.finished_at = '', job.training = '')
RETURN job {.*} AS job, NOT active AS fresh
"""
_CLAIM = """
MATCH (job:Job {id: $id})
SET job.kind = job.kind
WITH job, NOT job.state IN $ended AS open,
     job.state = 'running' AND job.updated_at > $stale AND ($previous = '' OR job.owner <> $previous) AS busy
FOREACH (ignored IN CASE WHEN open AND NOT busy AND job.state <> 'cancelling' THEN [1] ELSE [] END |
    SET job.state = 'running', job.owner = $owner, job.updated_at = $now)
FOREACH (ignored IN CASE
        WHEN job.state = 'cancelling' AND (job.updated_at <= $stale OR ($previous <> '' AND job.owner = $previous))
        THEN [1] ELSE [] END |
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
SET job.state = $state, job.reason = $reason, job.result = $result, job.updated_at = $now, job.finished_at = $now
"""
_NOTE_TRAINING = """
MATCH (job:Job {id: $id})
SET job.training = $model
"""
_TRAINING = """
MATCH (job:Job {id: $id})
RETURN coalesce(job.training, '') AS model
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
# updated_at of a running job is its worker's heartbeat, so it is not changed here
_CANCEL = """
UNWIND $ids AS id
MATCH (job:Job {id: id})
SET job.kind = job.kind
WITH job, job.state AS before
FOREACH (ignored IN CASE WHEN before = 'queued' THEN [1] ELSE [] END |
    SET job.state = 'cancelled', job.updated_at = $now, job.finished_at = $now)
FOREACH (ignored IN CASE WHEN before = 'running' THEN [1] ELSE [] END |
    SET job.state = 'cancelling')
RETURN job {.*} AS job
"""
_FORGET_SEGMENTS = """
MATCH (job:Job {kind: 'segment'})
WHERE job.arguments CONTAINS $video
DETACH DELETE job
"""
_GET = """
UNWIND $ids AS id
MATCH (job:Job {id: id})
RETURN job {.*} AS job
"""
_LIST = """
MATCH (job:Job)
WHERE job.created_at <= $created_at AND (job.created_at < $created_at OR job.id < $after)
  AND ($state IS NULL OR job.state = $state) AND ($kind IS NULL OR job.kind = $kind)
RETURN job {.*} AS job ORDER BY job.created_at DESC, job.id DESC LIMIT $limit
"""
_LATER_THAN_ALL = "~"  # sorts after every time
_UNFINISHED = """
MATCH (job:Job)
WHERE NOT job.state IN $ended
RETURN job {.*} AS job ORDER BY job.created_at
"""


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """An unfinished job, the worker that owns it, and whether its heartbeat is older than `STALE_SECONDS`."""

    job: Job
    owner: str
    stale: bool


def now() -> str:
    """Return the time as ISO 8601 in UTC with microseconds, which sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def open_job(
    connection: Connection, job_id: str, kind: JobKind, target: str, arguments: Mapping[str, Any]
) -> tuple[Job, bool]:
    """Create a job, or queue it again if it has ended; returns it and whether this call queued it."""
    text = json.dumps(arguments, sort_keys=True)
    row = connection.write(_OPEN, id=job_id, kind=kind, target=target, arguments=text, now=now(), ended=list(ENDED))[0]
    return _job(row), bool(row["fresh"])


def claim_job(connection: Connection, job_id: str, owner: str, previous: str = "") -> tuple[Job, dict[str, Any]] | None:
    """Claim a job for the worker `owner`; returns it with its arguments, or None when it has ended or is cancelled.

    `previous` is an owner that is known to have stopped; its job is claimed without waiting for a stale heartbeat.
    Raises `BlockingIOError` when another worker is running the job.
    """
    rows = connection.write(
        _CLAIM, id=job_id, owner=owner, previous=previous, now=now(), stale=_stale(), ended=list(ENDED)
    )
    if not rows or not rows[0]["open"]:
        return None
    if rows[0]["busy"]:
        raise BlockingIOError(f"another worker is running job {job_id}")
    job = _job(rows[0])
    return (job, json.loads(rows[0]["job"]["arguments"])) if job.state == "running" else None


def beat(connection: Connection, job_id: str, owner: str, stage: str, done: int, total: int, unit: str) -> bool:
    """Write a job's heartbeat and progress; returns False when the worker must stop (cancelled, or no longer owner)."""
    rows = connection.write(_BEAT, id=job_id, now=now(), stage=stage, done=done, total=total, unit=unit)
    return bool(rows) and rows[0]["state"] == "running" and rows[0]["owner"] == owner


def finish_job(
    connection: Connection,
    job_id: str,
    state: Literal["done", "failed", "cancelled"],
    *,
    owner: str = "",
    reason: str = "",
    result: str = "",
) -> None:
    """End a job; has no effect if `owner` does not own it any more (owner "" matches every owner)."""
    connection.write(_FINISH, id=job_id, state=state, owner=owner, reason=reason, result=result, now=now())


def hand_over_job(connection: Connection, job_id: str, owner: str, arguments: Mapping[str, Any]) -> None:
    """Queue a running job again for its next stage, with that stage's arguments."""
    text = json.dumps(arguments, sort_keys=True)
    connection.write(_HAND_OVER, id=job_id, owner=owner, arguments=text, now=now())


def orphan_job(connection: Connection, job_id: str) -> None:
    """Take a job away from a dead or silent worker; later writes of that worker have no effect."""
    connection.write(_ORPHAN, id=job_id, now=now())


def request_cancel(connection: Connection, job_id: str) -> Job:
    """Cancel one job as `request_cancels` does, and return it; a second call is not an error.

    Raises `NotFound`, and `Conflict` when the job is done or has failed.
    """
    job = _only(connection.write(_CANCEL, ids=[job_id], now=now()), job_id)
    if job.state in ("done", "failed"):
        raise Conflict(f"Job {job_id} has already ended ({job.state}), so it cannot be cancelled.")
    return job


def request_cancels(connection: Connection, job_ids: Iterable[str]) -> None:
    """Cancel jobs: queued jobs become `cancelled`, running jobs become `cancelling`, ended jobs are left unchanged."""
    connection.write(_CANCEL, ids=sorted(set(job_ids)), now=now())


def forget_segment_jobs(connection: Connection, video: str) -> None:
    """Delete the jobs of a video's segments; a worker that is running one stops at its next heartbeat."""
    connection.write(_FORGET_SEGMENTS, video=video)


def get_job(connection: Connection, job_id: str) -> Job:
    """Read one job; raises `NotFound`."""
    return _only(connection.read(_GET, ids=[job_id]), job_id)


def get_jobs(connection: Connection, job_ids: Iterable[str]) -> dict[str, Job]:
    """Return the existing jobs among these ids, by id."""
    return {row["job"]["id"]: _job(row) for row in connection.read(_GET, ids=list(job_ids))}


def job_arguments(connection: Connection, job_id: str) -> dict[str, Any]:
    """Return a job's stored request (see `workers.requests`); raises `NotFound`."""
    rows = connection.read(_GET, ids=[job_id])
    _only(rows, job_id)
    found: dict[str, Any] = json.loads(rows[0]["job"].get("arguments") or "{}")
    return found


def note_training(connection: Connection, job_id: str, model: str) -> None:
    """Store the id of the model that a running job trains; a linking may train a stage-0 network first."""
    connection.write(_NOTE_TRAINING, id=job_id, model=model)


def training_of(connection: Connection, job_id: str) -> str:
    """Return the id of the model that a job trains or trained last; "" if it has not begun."""
    rows = connection.read(_TRAINING, id=job_id)
    return str(rows[0]["model"]) if rows else ""


def list_jobs(
    connection: Connection,
    after: str = "",
    limit: int = 100,
    state: JobState | None = None,
    kind: JobKind | None = None,
) -> list[Job]:
    """Return up to `limit` jobs of this state and kind, newest first, starting after the key or id `after`.

    A key (`job_key`) is valid even if its job was deleted. Raises `NotFound` for the id of a deleted job.
    """
    created_at, _, identifier = after.rpartition("~") if after else (_LATER_THAN_ALL, "", "")
    if after and not created_at:
        created_at = get_job(connection, identifier).created_at
    rows = connection.read(_LIST, created_at=created_at, after=identifier, limit=limit, state=state, kind=kind)
    return [_job(row) for row in rows]


def job_key(job: Job) -> str:
    """Return the job's key in the list of jobs."""
    return f"{job.created_at}~{job.id}"


def unfinished_jobs(connection: Connection) -> list[UnfinishedJob]:
    """List all jobs that have not ended, oldest first."""
    limit = _stale()
    rows = connection.read(_UNFINISHED, ended=list(ENDED))
    return [UnfinishedJob(_job(row), row["job"].get("owner", ""), row["job"]["updated_at"] <= limit) for row in rows]


def _stale() -> str:
    return (datetime.now(UTC) - timedelta(seconds=STALE_SECONDS)).isoformat(timespec="microseconds")


def _only(rows: list[dict[str, Any]], job_id: str) -> Job:
    if not rows:
        raise NotFound(f"There is no job {job_id}. List the jobs to see their ids.")
    return _job(rows[0])


def _job(row: Mapping[str, Any]) -> Job:
    return as_record(Job, row["job"])
