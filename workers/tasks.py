"""The Celery tasks, one thin task per stage, and the start of a worker.

A worker runs as `celery -A workers.tasks worker -Q mining --pool threads`, or with `-Q graph`, or with
`-Q torch --pool solo`.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Literal
from uuid import uuid4

import redis
from celery import Task
from celery.signals import setup_logging, worker_ready

from graph import jobs
from graph.errors import Cancelled, NoDevice, TransitiveError, Unavailable
from graph.logs import log_job, set_up_logs
from graph.records import Job, Progress
from graph.settings import settings
from workers import queue, recovery
from workers.gpu_use import report_gpu_use
from workers.progress import JobProgress
from workers.requests import parse_request, to_arguments
from workers.stage_context import StageContext
from workers.stage_timings import add_timings

_RETRY_SECONDS = 10
_log = logging.getLogger(__name__)

app = queue.celery_app(settings().redis_url.get_secret_value())

# a stage receives the request of its kind, and returns the job's result or the request of the next stage
Stage = Callable[[StageContext, Any, Progress], Any]
# Job id → owner, for jobs of this process whose server became unreachable. Their nodes still name the owner, because
# that could not be changed. With this map a retry need not wait until the heartbeat is stale.
_interrupted: dict[str, str] = {}


@cache
def stage_context() -> StageContext:
    """Return this process's context, opened at the first call; its threads share it."""
    return StageContext.open(settings())


def _ingest() -> Stage:
    from workers.stages.ingest import ingest

    return ingest


def _segment() -> Stage:
    from workers.stages.segments import mine_one

    return mine_one


def _import() -> Stage:
    from workers.stages.import_tracks import import_tracks

    return import_tracks


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


def _map() -> Stage:
    from workers.stages.map import make_map

    return make_map


def _index() -> Stage:
    from workers.stages.index import index

    return index


def _add_task(name: str, load: Callable[[], Stage], following: tuple[str, str] | None = None) -> None:
    """Register a stage's task. `load` imports the stage at its first use, so a worker loads only its own libraries."""

    def run(task: Task, job_id: str) -> None:
        with log_job(job_id):
            perform(task, job_id, load(), following)

    app.task(run, name=name, bind=True, max_retries=None)


_add_task("ingest", _ingest)
_add_task("segment", _segment)
_add_task("import", _import)
_add_task("link", _prepare_link, following=("link_graph", "graph"))
_add_task("link_graph", _link)
_add_task("train", _train)
_add_task("embed", _embed)
_add_task("map", _map)
_add_task("index", _index)


def link_part(run: str, kind: str, number: int) -> None:
    """Compute one part of a linking that another machine leads; failures are logged, and the leader redoes the part."""
    from workers.stages.help_link import help_link

    try:
        help_link(stage_context(), run, kind, number)
    except TransitiveError as error:
        _log.warning("part %s (%s) of linking %s failed: %s", number, kind, run, error)


app.task(link_part, name="link_part")


def perform(task: Task, job_id: str, stage: Stage, following: tuple[str, str] | None = None) -> None:
    """Claim the job, run its stage, and end the job or send it to the `following` (task, queue).

    The task is retried later when another worker is running the job, or when Neo4j does not answer. Nothing happens if
    the job has ended. A failure becomes the job's reason in one line; the traceback goes to the worker's log.
    """
    owner = recovery.owner_name(uuid4().hex)
    try:
        context = stage_context()
        claimed = jobs.claim_job(context.connection, job_id, owner, previous=_interrupted.get(job_id, ""))
    except (Unavailable, BlockingIOError) as error:
        _log.warning("job %s will be retried: %s", job_id, error)
        raise task.retry(countdown=_RETRY_SECONDS) from None
    _interrupted.pop(job_id, None)
    if claimed is None:
        return
    job, arguments = claimed
    try:
        request = parse_request(job.kind, arguments)
        with JobProgress(context.connection, job_id, owner) as progress:
            result = stage(context, request, progress)
            progress.flush()
        _add_timings(context, job, progress)
        if following is None:
            jobs.finish_job(context.connection, job_id, "done", owner=owner, result=str(result))
            _submit_following(context, job, str(result))
        else:
            jobs.hand_over_job(context.connection, job_id, owner, to_arguments(result))
            queue.send(context.redis_url, *following, job_id)
    except NoDevice as error:  # a retry does not help
        _close_failed(context, job_id, owner, error)
    except Unavailable as error:
        _log.warning("job %s will be retried: %s", job_id, error)
        _interrupted[job_id] = owner
        raise task.retry(countdown=_RETRY_SECONDS) from None
    except Exception as error:
        _close_failed(context, job_id, owner, error)


def _add_timings(context: StageContext, job: Job, progress: JobProgress) -> None:
    """Add the stages' times to the sums of `/metrics`; a job does not fail because they cannot be stored."""
    try:
        add_timings(context.redis_url, job.kind, progress.clock.seconds)
    except redis.RedisError as error:
        _log.warning("job %s: its timings are not in /metrics: %s", job.id, error)


def _submit_following(context: StageContext, job: Job, result: str) -> None:
    """Submit the request that follows a finished job; a failure is logged, and the job stays done."""
    from workers.following import following_request

    try:
        request = following_request(context, job.kind, result)
        if request is not None:
            queue.submit(context.connection, context.redis_url, request)
    except TransitiveError as error:
        _log.warning("job %s is done; new patches wait for `transitive embed --missing`: %s", job.id, error)


def _close_failed(context: StageContext, job_id: str, owner: str, error: Exception) -> None:
    state: Literal["failed", "cancelled"]
    if isinstance(error, Cancelled):
        state, reason = "cancelled", str(error)
    elif isinstance(error, TransitiveError):
        state, reason = "failed", str(error)
    else:
        _log.exception("job %s failed unexpectedly", job_id)
        text = str(error).splitlines()[0] if str(error) else "no message"
        state, reason = "failed", f"Unexpected {type(error).__name__} ({text}). The worker's log has the details."
    jobs.finish_job(context.connection, job_id, state, owner=owner, reason=reason)


def _set_up_logs(**_: Any) -> None:
    set_up_logs(settings())


def _take_up_lost_jobs(**_: Any) -> None:
    try:
        count = recovery.requeue_lost(stage_context().connection, stage_context().redis_url)
    except Unavailable as error:
        _log.warning("cannot search for lost jobs: %s", error)
    else:
        _log.info("ready; queued %d lost jobs again", count)


setup_logging.connect(_set_up_logs)


def _report_gpu_use(**_: Any) -> None:
    report_gpu_use(settings().redis_url.get_secret_value())


worker_ready.connect(_take_up_lost_jobs)
worker_ready.connect(_report_gpu_use, weak=False)
