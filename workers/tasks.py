"""From a message (a job's id) to the stage that does it: the Celery tasks, thin, and what a worker does at its start.

Run as `celery -A workers.tasks worker -Q mining --pool threads` (or graph; torch with `--pool solo`).
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import uuid4

from celery import Task
from celery.signals import setup_logging, worker_ready

from graph.errors import Cancelled, TransitiveError, Unavailable
from graph.records import Progress
from graph.settings import settings
from workers import ledger, queue, recovery
from workers.progress import JobProgress
from workers.workplace import Workplace

_RETRY_SECONDS = 10
_log = logging.getLogger(__name__)

app = queue.celery_app(settings().redis_url.get_secret_value())

Stage = Callable[[Workplace, dict[str, Any], Progress], str]


@cache
def workplace() -> Workplace:
    """Open this process's connection once; its threads share it."""
    return Workplace.open(settings())


@app.task(name="ingest", bind=True, max_retries=None)
def ingest(task: Task, job_id: str) -> None:
    """Mine one video (queue mining)."""
    from workers.stages.ingest import ingest as stage

    perform(task, job_id, stage)


@app.task(name="link", bind=True, max_retries=None)
def link(task: Task, job_id: str) -> None:
    """Prepare linking: a context network and its features (queue torch); then go on as `link_graph`."""
    from workers.stages.features import prepare_link as stage

    if perform(task, job_id, stage, hand_over=True):
        queue.send(workplace().redis_url, "link_graph", "graph", job_id)


@app.task(name="link_graph", bind=True, max_retries=None)
def link_graph(task: Task, job_id: str) -> None:
    """Cluster and write a generation (queue graph)."""
    from workers.stages.link import link as stage

    perform(task, job_id, stage)


@app.task(name="train", bind=True, max_retries=None)
def train(task: Task, job_id: str) -> None:
    """Train one recipe (queue torch)."""
    from workers.stages.train import train as stage

    perform(task, job_id, stage)


@app.task(name="embed", bind=True, max_retries=None)
def embed(task: Task, job_id: str) -> None:
    """Embed every patch with a model (queue torch)."""
    from workers.stages.embed import embed as stage

    perform(task, job_id, stage)


def perform(task: Task, job_id: str, stage: Stage, hand_over: bool = False) -> bool:
    """Claim the job, run its stage, and close the job; True when it was done (or handed over).

    A job that somebody else is running, or whose Neo4j is away, comes back later; one that is finished or cancelled is
    left alone. Every failure ends as the job's reason, in a line for people; the trace stays in this worker's log.
    """
    owner = recovery.owner_name(uuid4().hex)
    try:
        place = workplace()
        claimed = ledger.claim(place.connection, job_id, owner)
    except (Unavailable, BlockingIOError) as error:
        _log.warning("job %s waits: %s", job_id, error)
        raise task.retry(countdown=_RETRY_SECONDS) from None
    if claimed is None:
        return False
    _, arguments = claimed
    try:
        with JobProgress(place.connection, job_id, owner) as progress:
            result = stage(place, arguments, progress)
            progress.flush()
        if hand_over:
            ledger.hand_over(place.connection, job_id, owner)
        else:
            ledger.finish(place.connection, job_id, "done", owner=owner, result=result)
    except Unavailable as error:
        _log.warning("job %s will be tried again: %s", job_id, error)
        raise task.retry(countdown=_RETRY_SECONDS) from None
    except Exception as error:
        _close_failed(place, job_id, owner, error)
        return False
    return True


def _close_failed(place: Workplace, job_id: str, owner: str, error: Exception) -> None:
    if isinstance(error, Cancelled):
        state, reason = "cancelled", str(error)
    elif isinstance(error, TransitiveError):
        state, reason = "failed", str(error)
    else:
        _log.exception("job %s failed unexpectedly", job_id)
        text = str(error).splitlines()[0] if str(error) else "no text"
        state, reason = "failed", f"Unexpected {type(error).__name__} ({text}). The worker's log has the details."
    ledger.finish(place.connection, job_id, state, owner=owner, reason=reason)


@setup_logging.connect
def _log_plainly(**_: Any) -> None:
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


@worker_ready.connect
def _take_up_lost_jobs(**_: Any) -> None:
    try:
        count = recovery.requeue_lost(workplace().connection, workplace().redis_url)
    except Unavailable as error:
        _log.warning("lost jobs could not be looked for: %s", error)
    else:
        _log.info("ready; %d lost jobs were queued again", count)
