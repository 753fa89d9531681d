"""Writing of jobs in a chosen state, for tests without a worker."""

from dataclasses import asdict, replace
from typing import Any

from graph.connection import Connection
from graph.jobs import get_job, now
from graph.records import Job

_WRITE = "MERGE (job:Job {id: $id}) SET job += $properties"


def create_job(connection: Connection, job: Job) -> Job:
    """Write a job; missing times are set to now."""
    job = replace(job, created_at=job.created_at or now(), updated_at=job.updated_at or now())
    connection.write(_WRITE, id=job.id, properties=asdict(job))
    return get_job(connection, job.id)


def update_job(connection: Connection, job_id: str, **changes: Any) -> Job:
    """Change fields of a job; an end state also sets `finished_at`."""
    if changes.get("state") in ("done", "failed", "cancelled"):
        changes["finished_at"] = now()
    connection.write(_WRITE, id=job_id, properties=changes | {"updated_at": now()})
    return get_job(connection, job_id)
