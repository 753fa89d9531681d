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

from graph.errors import Cancelled, NoDevice, TransitiveError, Unavailable
from graph.records import Progress
from graph.settings import settings
from workers import ledger, queue, recovery
from workers.progress import JobProgress
from workers.stage_context import StageContext

_RETRY_SECONDS = 10
_log = logging.getLogger(__name__)

app = queue.celery_app(settings().redis_url.get_secret_value())

Stage = Callable[[StageContext, dict[str, Any], Progress], Any]  # returns its result, or arguments to go on with


@cache
def stage_context() -> StageContext:
    """Open this process's connection once; its threads share it."""
    return StageContext.open(settings())


def _ingest() -> Stage:
    from workers.stages.ingest import ingest

    return ingest


def _segment() -> Stage:
    from workers.stages.segments import mine_one

    return mine_one


def _prepare_link() -> Stage:
    from workers.stages.features import prepare_link

    return prepare_link


def _link() -> Stage:
    from workers.stages.link import link

    return link


def _train() -> Stage:
    from workers.stages.train import train

    return train


def _embed() -> Stage:
    from workers.stages.embed import embed

    return embed


def _add_task(name: str, load: Callable[[], Stage], following: tuple[str, str] | None = None) -> None:
    """Make a task of a stage; it is imported when first needed, so a worker carries only its queue's libraries."""

    def run(task: Task, job_id: str) -> None:
        perform(task, job_id, load(), following)

    app.task(run, name=name, bind=True, max_retries=None)


_add_task("ingest", _ingest)
_add_task("segment", _segment)
_add_task("link", _prepare_link, following=("link_graph", "graph"))
_add_task("link_graph", _link)
_add_task("train", _train)
_add_task("embed", _embed)


def link_part(run: str, kind: str, number: int) -> None:
    """Do one part of a linking that another machine leads; what fails here, fails there again and is told there."""
    from workers.stages.help_link import help_link

    try:
        help_link(stage_context(), run, kind, number)
    except TransitiveError as error:
        _log.warning("part %s of linking %s (%s) was not done here: %s", number, run, kind, error)


app.task(link_part, name="link_part")


def perform(task: Task, job_id: str, stage: Stage, following: tuple[str, str] | None = None) -> None:
    """Claim the job, run its stage, and close the job (or send it on to the `following` task and queue).

    A job that somebody else is running, or whose Neo4j is away, comes back later; one that is finished or cancelled is
    left alone. Every failure ends as the job's reason, in a line for people; the trace stays in this worker's log.
    """
    owner = recovery.owner_name(uuid4().hex)
    try:
        context = stage_context()
        claimed = ledger.claim(context.connection, job_id, owner)
    except (Unavailable, BlockingIOError) as error:
        _log.warning("job %s waits: %s", job_id, error)
        raise task.retry(countdown=_RETRY_SECONDS) from None
    if claimed is None:
        return
    _, arguments = claimed
    try:
        with JobProgress(context.connection, job_id, owner) as progress:
            result = stage(context, arguments, progress)
            progress.flush()
        if following is None:
            ledger.finish(context.connection, job_id, "done", owner=owner, result=str(result))
        else:
            ledger.hand_over(context.connection, job_id, owner, dict(result))
            queue.send(context.redis_url, *following, job_id)
    except NoDevice as error:  # a GPU that is not there does not come by waiting
        _close_failed(context, job_id, owner, error)
    except Unavailable as error:
        _log.warning("job %s will be tried again: %s", job_id, error)
        raise task.retry(countdown=_RETRY_SECONDS) from None
    except Exception as error:
        _close_failed(context, job_id, owner, error)


def _close_failed(context: StageContext, job_id: str, owner: str, error: Exception) -> None:
    if isinstance(error, Cancelled):
        state, reason = "cancelled", str(error)
    elif isinstance(error, TransitiveError):
        state, reason = "failed", str(error)
    else:
        _log.exception("job %s failed unexpectedly", job_id)
        text = str(error).splitlines()[0] if str(error) else "no text"
        state, reason = "failed", f"Unexpected {type(error).__name__} ({text}). The worker's log has the details."
    ledger.finish(context.connection, job_id, state, owner=owner, reason=reason)


def _log_plainly(**_: Any) -> None:
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _take_up_lost_jobs(**_: Any) -> None:
    try:
        count = recovery.requeue_lost(stage_context().connection, stage_context().redis_url)
    except Unavailable as error:
        _log.warning("lost jobs could not be looked for: %s", error)
    else:
        _log.info("ready; %d lost jobs were queued again", count)


setup_logging.connect(_log_plainly)
worker_ready.connect(_take_up_lost_jobs)
