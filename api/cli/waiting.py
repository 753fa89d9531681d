"""Submission of jobs, and waiting for their end.

While a command waits, it restarts local workers that died (SIGKILL, out of memory) and queues their jobs again.
It raises `Unavailable` when no worker answers and none can be started. Ctrl-C cancels the jobs; the same command goes
on later.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType

from api.cli.interrupt import deferred
from api.cli.session import Session
from api.cli.terminal import Bars, answer, say
from graph import jobs
from graph.errors import Cancelled, TransitiveError, Unavailable
from graph.records import ENDED, Job
from workers import queue, recovery
from workers.requests import JobRequest, job_id

_POLL_SECONDS = 0.4
_LOOK_AFTER_SECONDS = 5.0  # between two checks of the workers
_SILENCE_SECONDS = 60.0  # time without progress of any job, after which workers are pinged
_CANCEL_SECONDS = 30.0  # how long Ctrl-C waits for running jobs to stop
_MOST_RESTARTS = 5  # restarts of workers while no job makes progress

Draw = Callable[[Bars, Mapping[str, Job]], None]


class Waiting:
    """Submits jobs and waits for them; Ctrl-C in the `with` block cancels them."""

    def __init__(self, session: Session) -> None:
        """Use the running stack of `session`."""
        self._stack = session.stack
        self._context = session.context
        self._connection = session.connection
        self._ids: list[str] = []
        self._jobs: dict[str, Job] = {}
        self._moved = time.monotonic()
        self._restarts = 0
        self._handlers = ExitStack()

    def __enter__(self) -> "Waiting":
        """Defer Ctrl-C to the end of a query from here on."""
        self._interrupted = self._handlers.enter_context(deferred())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the jobs where Ctrl-C ended the block."""
        with self._handlers:
            if isinstance(error, KeyboardInterrupt) and self._ids:
                self._cancel()

    def submit(self, request: JobRequest) -> Job:
        """Submit a request, and wait for its job as well."""
        self._stop_if_interrupted()
        self._ids.append(job_id(request))
        return queue.submit(self._connection, self._redis_url, request)

    @property
    def _redis_url(self) -> str:
        return self._context.redis_url

    def until_finished(self, bars: Bars, draw: Draw) -> dict[str, Job]:
        """Return the jobs by id once all are finished; raises `Unavailable` when no worker runs them."""
        looked = time.monotonic()
        while True:
            self._read()
            draw(bars, self._jobs)
            if all(job.state in ENDED for job in self._jobs.values()):
                return self._jobs
            time.sleep(_POLL_SECONDS)
            self._stop_if_interrupted()
            if time.monotonic() - looked > _LOOK_AFTER_SECONDS:
                self._look_after_workers()
                looked = time.monotonic()

    def _stop_if_interrupted(self) -> None:
        if self._interrupted():
            raise KeyboardInterrupt

    def _read(self) -> None:
        before = self._jobs
        unfinished = [one for one in self._ids if one not in before or before[one].state not in ENDED]
        self._jobs = before | jobs.get_jobs(self._connection, unfinished)
        if any(before.get(one) != self._jobs.get(one) for one in unfinished):
            self._moved = time.monotonic()

    def _look_after_workers(self) -> None:
        dead = self._stack.restart_dead_workers(self._context.settings)
        for name in dead:
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                log = self._stack.workers[name].log
                raise Unavailable(f"The {name} worker keeps dying. Read {log}, then run the same command again.")
            say(f"The {name} worker died and was started again; its work continues.")
        recovery.requeue_lost(self._connection, self._redis_url)
        if time.monotonic() - self._moved < _SILENCE_SECONDS:
            return
        if not any(worker.running() for worker in self._stack.workers.values()) and not self._somebody_answers():
            raise Unavailable(
                "No worker answers on this Redis, so the jobs cannot run. Start one (`transitive up`, or "
                "`celery -A workers.tasks worker -Q mining,graph`); then run the same command again."
            )
        self._moved = time.monotonic()

    def _somebody_answers(self) -> bool:
        try:
            return bool(queue.celery_app(self._redis_url).control.inspect(timeout=3).ping())
        except Exception as error:
            raise queue.redis_unavailable(self._redis_url, error) from error

    def _cancel(self) -> None:
        """Request a cancel of the unfinished jobs, and wait until they have stopped, at most `_CANCEL_SECONDS`."""
        say("Stopping …")
        try:
            jobs.request_cancels(self._connection, self._ids)
            end = time.monotonic() + _CANCEL_SECONDS
            while time.monotonic() < end:
                self._read()
                if all(job.state in ENDED for job in self._jobs.values()):
                    return
                time.sleep(_POLL_SECONDS)
        except TransitiveError as error:
            say(f"The jobs could not be cancelled ({error}). They end by themselves.")
        except KeyboardInterrupt:
            return


def run_job(session: Session, request: JobRequest, bars: Bars) -> Job:
    """Submit a request and wait for its job, with a bar for each stage; raises `TransitiveError` if it failed."""
    with Waiting(session) as waiting:
        job = waiting.submit(request)
        finished = waiting.until_finished(bars, _draw_stages)[job.id]
    if finished.state == "failed":
        raise TransitiveError(finished.reason)
    if finished.state == "cancelled":
        raise Cancelled(finished.reason or "The job was cancelled. Run the same command again to continue.")
    return finished


def detached(session: Session, request: JobRequest, as_json: bool) -> None:
    """Submit a request and print its job's id, without waiting."""
    job = queue.submit(session.connection, session.redis_url, request)
    answer({"job": job.id}, as_json, job.id)


def _draw_stages(bars: Bars, jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        if job.stage:
            bars(job.stage, job.done, job.total, job.unit)
