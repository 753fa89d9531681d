"""Jobs, the long work of the system, are read newest first, and asked to stop. workers/ledger.py moves them on.

(:Job {id, kind, state, target, stage, done, total, unit, reason, result, created_at, updated_at, finished_at})
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from graph.connection import Connection
from graph.errors import Conflict, NotFound
from graph.records import Job
from graph.rows import as_record

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
# the first SET takes the lock, so the state that is compared is the last one written
_CANCEL = """
MATCH (j:Job {id: $id})
SET j.updated_at = $now
WITH j, j.state AS before
SET j.state = CASE before WHEN 'queued' THEN 'cancelled' WHEN 'running' THEN 'cancelling' ELSE before END
SET j.finished_at = CASE WHEN before = 'queued' THEN $now ELSE j.finished_at END
RETURN j {.*} AS job, before
"""


def get_job(connection: Connection, job_id: str) -> Job:
    """Read one job; raises `NotFound`."""
    return _only(connection.read(_GET, id=job_id), job_id)


def list_jobs(connection: Connection, after: str = "", limit: int = 100) -> list[Job]:
    """Read `limit` jobs, newest first: the newest ones, or those which follow the job `after`."""
    if not after:
        return [_job(row) for row in connection.read(_FIRST_PAGE, limit=limit)]
    return [_job(row) for row in connection.read(_NEXT_PAGE, after=after, limit=limit)]


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
