"""The three Celery queues, and the submission of requests as (:Job) nodes with messages in these queues.

    mining   patches and tracks, maps          its own process, several threads, a child process per video or map
    graph    clusters, edges, indexes          one job at a time
    torch    features, trainings, embeddings   one job at a time, in a process that never forks

A message contains only the job's id and the node contains the request, so a lost message can be sent again
(`workers.recovery`). Two submissions of the same request give one job (`workers.requests.job_id`).
"""

import logging
from functools import cache
from urllib.parse import urlsplit

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from graph import jobs
from graph.connection import Connection
from graph.errors import Unavailable
from graph.linking.bounds import check_bounds
from graph.printable import printable
from graph.queries.counts import count_tracks
from graph.records import Job, JobKind
from workers.requests import JobRequest, LinkRequest, job_id, to_arguments

_log = logging.getLogger(__name__)

QUEUES = ("mining", "graph", "torch")
FIRST_QUEUE: dict[JobKind, str] = {
    "ingest": "mining",
    "segment": "mining",  # one segment of a long video, submitted by its ingest job
    "import": "mining",
    "link": "torch",
    "train": "torch",
    "embed": "torch",
    "map": "mining",  # a child process computes it, and the queue has a thread per core
    "index": "graph",
}
# Redis redelivers a message that has not been acknowledged for this time. `jobs.claim_job` refuses a job that is still
# running, so this only determines when the message of a lost machine is redelivered.
_VISIBILITY_SECONDS = 6 * 3600


@cache
def celery_app(redis_url: str) -> Celery:
    """Return the Celery app for this Redis: late acknowledgement, JSON only, no results."""
    app = Celery("transitive", broker=redis_url)
    app.conf.update(
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue="graph",
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=5,
        broker_transport_options={
            "visibility_timeout": _VISIBILITY_SECONDS,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "retry_on_timeout": True,
        },
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0.2, "interval_step": 0.5},
    )
    return app


def submit(connection: Connection, redis_url: str, request: JobRequest) -> Job:
    """Submit a request and return its job; while that job is queued or running, the same request returns the same job.

    Raises `Unavailable` when Neo4j or Redis does not answer; no job stays queued then. Raises `InvalidInput` for a
    linking that would take too much memory or give too many edges.
    """
    if isinstance(request, LinkRequest) and not request.join:
        tracks = count_tracks(connection)
        # with fewer tracks, the stage reports what is missing
        if tracks >= max(request.parameters.group, request.parameters.parents):
            check_bounds(request.parameters.resolve(tracks), tracks)
    identifier = job_id(request)
    job, fresh = jobs.open_job(connection, identifier, request.kind, request.target, to_arguments(request))
    if fresh:
        _log.info("job %s: asked for: %s %s", identifier, request.kind, printable(request.target))
        try:
            send(redis_url, request.kind, FIRST_QUEUE[request.kind], identifier)
        except Unavailable as error:
            jobs.finish_job(connection, identifier, "failed", reason=str(error))
            raise
    return job


def send(redis_url: str, kind: str, queue: str, identifier: str) -> None:
    """Send a job's id to a queue. Repeated messages are harmless: workers ignore a job that runs or has ended."""
    try:
        celery_app(redis_url).send_task(kind, args=[identifier], queue=queue, task_id=identifier)
    except (OperationalError, RedisError) as error:
        raise redis_unavailable(redis_url, error) from error


def offer_parts(redis_url: str, run: str, kind: str, count: int) -> None:
    """Offer the parts of a linking to the `graph` workers of other machines (see `graph.linking.parts`).

    A single machine's `graph` worker is busy with leading the linking, so it receives the messages only afterwards.
    """
    try:
        app = celery_app(redis_url)
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(count):
                name = f"{run}-{kind}-{number}"
                app.send_task("link_part", args=[run, kind, number], queue="graph", task_id=name, producer=producer)
    except (OperationalError, RedisError) as error:
        raise redis_unavailable(redis_url, error) from error


def served_queues(redis_url: str) -> tuple[int, set[str]]:
    """Return the number of workers that answer, and the queues that they serve. Raises `Unavailable`.

    A connection of Celery's pool that a restart of Redis broke fails once; the second attempt opens another.
    """
    try:
        answers = _active_queues(redis_url)
    except (OperationalError, RedisError, OSError):
        try:
            answers = _active_queues(redis_url)
        except (OperationalError, RedisError, OSError) as error:
            raise redis_unavailable(redis_url, error) from error
    return len(answers), {entry["name"] for queues in answers.values() for entry in queues}


def _active_queues(redis_url: str) -> dict[str, list[dict[str, str]]]:
    return celery_app(redis_url).control.inspect(timeout=1.0).active_queues() or {}


def redis_unavailable(redis_url: str, error: Exception) -> Unavailable:
    """Return the error for a Redis that does not answer, without its password."""
    parts = urlsplit(redis_url)
    where = f"{parts.hostname}:{parts.port or 6379}"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Unavailable(
        f"Redis at {where} does not answer ({reason}). Start the local one (`transitive up`) or correct REDIS_URL, "
        "then try again."
    )
