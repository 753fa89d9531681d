"""Routes of jobs: list, state, server-sent events, and cancel."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.http.problems import problem_responses
from api.http.routes.paging import AfterText, Limit, cut
from api.http.service import ServiceDep
from api.responses.jobs import JobResponse
from api.responses.response import Page
from graph import jobs
from graph.errors import NotFound, Unavailable
from graph.records import ENDED, Job, JobKind, JobState

router = APIRouter(tags=["jobs"])

JobId = Annotated[str, Path(max_length=200, examples=["5f0c6a2b9e48d7a5c4e3f2b1"])]
POLL_S = 0.5


def _existing(job_id: JobId, shared: ServiceDep) -> Job:
    return jobs.get_job(shared.connection, job_id)


@router.get("/jobs", responses=problem_responses(404), summary="List jobs, newest first")
def list_jobs(
    request: Request,
    shared: ServiceDep,
    after: AfterText = "",
    limit: Limit = 100,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
) -> Page[JobResponse]:
    """List jobs, newest first. Page by key: follow `next` until it is null."""
    asked = jobs.list_jobs(shared.connection, after, limit + 1, state, kind)
    found, following = cut(request, asked, limit, jobs.job_key)
    return Page(items=[JobResponse.model_validate(job) for job in found], next=following)


@router.get("/jobs/{job_id}", responses=problem_responses(404), summary="The progress of a job")
def get_job(job: Annotated[Job, Depends(_existing)]) -> JobResponse:
    """Read a job's state: queued, running, cancelling, done, failed or cancelled."""
    return JobResponse.model_validate(job)


@router.delete("/jobs/{job_id}", status_code=202, responses=problem_responses(403, 404, 409), summary="Cancel a job")
def cancel_job(job_id: JobId, shared: ServiceDep) -> JobResponse:
    """Cancel a job: a queued job at once, a running job at its next step. A repeated request is not an error."""
    return JobResponse.model_validate(jobs.request_cancel(shared.connection, job_id))


@router.get(
    "/jobs/{job_id}/events",
    responses=problem_responses(404),
    response_class=EventSourceResponse,
    summary="Follow a job",
)
async def job_events(job: Annotated[Job, Depends(_existing)], shared: ServiceDep) -> AsyncIterator[ServerSentEvent]:
    """Send a `job` event at once and at every change, and a last one when the job has ended (Server-Sent Events).

    While Neo4j is unavailable, the stream sends an `unavailable` event and waits. Reconnecting is always safe.
    """
    last: Job | None = None
    away = False
    while True:
        if job != last:
            yield ServerSentEvent(data=JobResponse.model_validate(job).model_dump(), event="job", id=job.updated_at)
            last = job
        if job.state in ENDED:
            return
        await asyncio.sleep(POLL_S)
        try:
            job = await to_thread.run_sync(jobs.get_job, shared.connection, job.id)
            away = False
        except Unavailable as error:
            if not away:
                yield ServerSentEvent(data={"detail": str(error)}, event="unavailable")
            away = True
        except NotFound:  # the node was removed while we watched
            return
