"""The answer of every route that starts a job: 202 and the job's address."""

from fastapi import Response

from api.responses.jobs import JobResponse
from graph.records import Job


def started(response: Response, job: Job) -> JobResponse:
    """Name the job's address in Location, and convert the job to its response model."""
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobResponse.model_validate(job)
