"""From submitted jobs to finished ones: what a command does between asking for work and telling how it went.

While it waits it keeps the work alive: local workers that died (SIGKILL, out of memory) are started again and what they
held is queued again. Where nobody answers and nothing can be started, it says so instead of waiting for ever. Ctrl-C
cancels the jobs; running the same command again goes on.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from api.stack import Stack
from api.terminal import Bars, say
from graph.connection import Connection
from graph.errors import Cancelled, TransitiveError, Unavailable
from graph.records import Job
from graph.settings import Settings
from workers import ledger, queue, recovery

_POLL_SECONDS = 0.4
_LOOK_AFTER_SECONDS = 5.0  # between two looks at the workers
_SILENCE_SECONDS = 60.0  # nothing moves for this long: ask whether anybody is there
_CANCEL_SECONDS = 30.0  # how long Ctrl-C waits for running jobs to stop
_MOST_RESTARTS = 5  # of workers that die without any job moving on

FINISHED = ("done", "failed", "cancelled")
Draw = Callable[[Bars, Mapping[str, Job]], None]


class Waiting:
    """Jobs that a command waits for."""

    def __init__(self, stack: Stack, found: Settings, connection: Connection, job_ids: Sequence[str]) -> None:
        """Wait for `job_ids` on the stack whose addresses are in `found`."""
        self._stack = stack
        self._found = found
        self._connection = connection
        self._ids = list(job_ids)
        self._jobs: dict[str, Job] = {}
        self._moved = time.monotonic()
        self._restarts = 0

    @property
    def _redis_url(self) -> str:
        return self._found.redis_url.get_secret_value()

    def until_finished(self, bars: Bars, draw: Draw) -> dict[str, Job]:
        """Return the jobs by id once all are finished; raises `Unavailable` when nobody works on them."""
        looked = time.monotonic()
        try:
            while True:
                self._read()
                draw(bars, self._jobs)
                if all(job.state in FINISHED for job in self._jobs.values()):
                    return self._jobs
                time.sleep(_POLL_SECONDS)
                if time.monotonic() - looked > _LOOK_AFTER_SECONDS:
                    self._look_after_workers()
                    looked = time.monotonic()
        except KeyboardInterrupt:
            self._cancel()
            raise

    def _read(self) -> None:
        before = self._jobs
        unfinished = [one for one in self._ids if one not in before or before[one].state not in FINISHED]
        self._jobs = before | ledger.jobs(self._connection, unfinished)
        if any(before.get(one) != self._jobs.get(one) for one in unfinished):
            self._moved = time.monotonic()

    def _look_after_workers(self) -> None:
        dead = self._stack.restart_dead_workers(self._found)
        for name in dead:
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                log = self._stack.workers[name].log
                raise Unavailable(f"The {name} worker keeps dying. Its log is {log}; then run the same command again.")
            say(f"The {name} worker died and was started again; its work goes on.")
        recovery.requeue_lost(self._connection, self._redis_url)
        if time.monotonic() - self._moved < _SILENCE_SECONDS:
            return
        if not any(worker.running() for worker in self._stack.workers.values()) and not self._somebody_answers():
            raise Unavailable(
                "No worker answers on this Redis, so nothing would ever be done. Start one (`transitive up`, or "
                "`celery -A workers.tasks worker -Q mining,graph`); then run the same command again."
            )
        self._moved = time.monotonic()

    def _somebody_answers(self) -> bool:
        try:
            return bool(queue.celery_app(self._redis_url).control.inspect(timeout=3).ping())
        except Exception as error:
            raise queue.redis_unavailable(self._redis_url, error) from error

    def _cancel(self) -> None:
        """Ask the unfinished jobs to stop, and wait a little for those that run, so that nothing writes afterwards."""
        say("Stopping …")
        try:
            ledger.cancel(self._connection, [job.id for job in self._jobs.values() if job.state not in FINISHED])
            end = time.monotonic() + _CANCEL_SECONDS
            while time.monotonic() < end:
                self._read()
                if all(job.state in FINISHED for job in self._jobs.values()):
                    return
                time.sleep(_POLL_SECONDS)
        except TransitiveError as error:
            say(f"The jobs could not be cancelled ({error}). They end by themselves.")
        except KeyboardInterrupt:
            return


def run_job(stack: Stack, found: Settings, connection: Connection, job: Job, bars: Bars) -> Job:
    """Wait for one job, drawing a bar for each of its stages; raises its failure as an error of ours."""
    finished = Waiting(stack, found, connection, [job.id]).until_finished(bars, _draw_stages)[job.id]
    if finished.state == "failed":
        raise TransitiveError(finished.reason)
    if finished.state == "cancelled":
        raise Cancelled(finished.reason or "The job was cancelled. Run the same command again to go on.")
    return finished


def _draw_stages(bars: Bars, jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        if job.stage:
            bars(job.stage, job.done, job.total, job.unit)
