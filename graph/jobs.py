"""Jobs, the long work of the system, go into the graph, move on, and come out newest first.

(:Job {id, kind, state, target, stage, done, total, unit, reason, result, created_at, updated_at, finished_at})

queued ──▶ running ──▶ done | failed
   │          │
   ▼          ▼
cancelled   cancelling ──▶ cancelled | done | failed
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

from graph.connection import Connection
from graph.errors import Conflict, NotFound
from graph.records import Job
from graph.rows import as_record

_CREATE = """
MERGE (j:Job {id: $id})
ON CREATE SET j = $properties
RETURN j {.*} AS job
"""
_GET = """
MATCH (j:Job {id: $id})
RETURN j {.*} AS job
"""
_FIRST_PAGE = """
MATCH (j:Job)
WHERE j.created_at >= ''
RETURN j {.*} AS job ORDER BY j.created_at DESC, j.id DESC LIMIT $limit
"""
_NEXT_PAGE = """
MATCH (last:Job {id: $after})
MATCH (j:Job)
WHERE j.created_at <= last.created_at AND (j.created_at < last.created_at OR j.id < last.id)
RETURN j {.*} AS job ORDER BY j.created_at DESC, j.id DESC LIMIT $limit
"""
# The first SET takes the lock, so the state that is compared is the last one written. A request to cancel survives news
# of progress (`running`), and a job that ended stays ended.
_UPDATE = """
MATCH (j:Job {id: $id})
SET j.updated_at = $now
WITH j, j.state AS before
WHERE NOT before IN $ended
SET j += $changes
SET j.state = CASE WHEN before = 'cancelling' AND j.state IN ['queued', 'running'] THEN before ELSE j.state END
SET j.finished_at = CASE WHEN j.state IN $ended THEN $now ELSE j.finished_at END
"""
_CANCEL = """
MATCH (j:Job {id: $id})
SET j.updated_at = $now
WITH j, j.state AS before
SET j.state = CASE before WHEN 'queued' THEN 'cancelled' WHEN 'running' THEN 'cancelling' ELSE before END
SET j.finished_at = CASE WHEN before = 'queued' THEN $now ELSE j.finished_at END
RETURN j {.*} AS job, before
"""
_ENDED = ["done", "failed", "cancelled"]
_CHANGEABLE = {field.name for field in fields(Job)} - {"id", "kind", "created_at", "updated_at", "finished_at"}


def create_job(connection: Connection, job: Job) -> Job:
    """Write a new job (created now when it does not say) and return it; one that is there already stays as it is."""
    now = _now()
    job = replace(job, created_at=job.created_at or now, updated_at=job.updated_at or now)
    return _job(connection.write(_CREATE, id=job.id, properties=asdict(job))[0])


def get_job(connection: Connection, job_id: str) -> Job:
    """Read one job; raises `NotFound`."""
    return _only(connection.read(_GET, id=job_id), job_id)


def list_jobs(connection: Connection, after: str = "", limit: int = 100) -> list[Job]:
    """Read `limit` jobs, newest first: the newest ones, or those which follow the job `after`."""
    if not after:
        return [_job(row) for row in connection.read(_FIRST_PAGE, limit=limit)]
    return [_job(row) for row in connection.read(_NEXT_PAGE, after=after, limit=limit)]


def update_job(connection: Connection, job_id: str, **changes: Any) -> Job:
    """Change fields of a job and return it as it is now.

    `cancelling` is never overwritten by `queued` or `running`, and a job that ended (done, failed, cancelled) stays
    as it is. The final states set `finished_at`. Raises `NotFound`; `TypeError` for a field that cannot be changed.
    """
    unknown = set(changes) - _CHANGEABLE
    if unknown:
        raise TypeError(f"A job has no changeable field {', '.join(sorted(unknown))}.")
    update = (_UPDATE, {"id": job_id, "now": _now(), "changes": changes, "ended": _ENDED})
    return _only(connection.write_many([update, (_GET, {"id": job_id})])[1], job_id)


def request_cancel(connection: Connection, job_id: str) -> Job:
    """Ask a job to stop: a queued one is cancelled, a running one becomes `cancelling`; returns the job.

    Asking twice is no error. Raises `NotFound`, and `Conflict` when the job has ended otherwise.
    """
    rows = connection.write(_CANCEL, id=job_id, now=_now())
    job = _only(rows, job_id)
    if job.state in ("done", "failed"):
        raise Conflict(f"Job {job_id} is {job.state} already; it cannot be cancelled.")
    return job


def _only(rows: list[dict[str, Any]], job_id: str) -> Job:
    if not rows:
        raise NotFound(f"There is no job {job_id}. `GET /jobs` lists those there are.")
    return _job(rows[0])


def _job(row: Mapping[str, Any]) -> Job:
    return as_record(Job, row["job"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
