"""The route that streams the changes of all recent jobs, so that a page of many jobs needs one connection."""

import asyncio
import time
from collections.abc import AsyncIterator

from anyio import to_thread
from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.http.problems import problem_responses
from api.http.service import ServiceDep
from api.responses.jobs import JobResponse
from graph import jobs
from graph.errors import Unavailable
from graph.records import Job

router = APIRouter(tags=["jobs"])

POLL_S = 1.0
NEWEST = 100  # jobs that are watched
LASTS_S = 60.0  # length of a stream; it limits how long an open page delays a stopping server, and browsers reconnect


@router.get(
    "/jobs/events", responses=problem_responses(), response_class=EventSourceResponse, summary="Follow all recent jobs"
)
async def follow_jobs(shared: ServiceDep) -> AsyncIterator[ServerSentEvent]:
    """Send a `job` event for each of the newest 100 jobs, and again at every change (Server-Sent Events).

    The stream ends after a minute and is meant to be opened again, as browsers do.
    """
    known: dict[str, Job] = {}
    end = time.monotonic() + LASTS_S
    while time.monotonic() < end:
        try:
            found = await to_thread.run_sync(jobs.list_jobs, shared.connection, "", NEWEST)
        except Unavailable as error:
            yield ServerSentEvent(data={"detail": str(error)}, event="unavailable")
            found = []
        for job in reversed(found):
            if known.get(job.id) != job:
                known[job.id] = job
                yield ServerSentEvent(data=JobResponse.model_validate(job).model_dump(), event="job")
        await asyncio.sleep(POLL_S)
