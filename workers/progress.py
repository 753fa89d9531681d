"""Progress and heartbeat of a running job, written to its (:Job) node, and the check for cancellation.

A stage may report at any rate; the node is written at most twice a second. A separate thread writes a heartbeat every
five seconds, so a job does not count as dead while its stage reports nothing (during a decode or a K-means iteration).
The log gets a line when a stage begins, and a line a minute while it runs.

A report may add numbers to the name of its stage: "train transitive · loss 0.31". `/metrics` has the name alone.
"""

import logging
import threading
import time
from types import TracebackType

from graph import jobs
from graph.connection import Connection
from graph.errors import Cancelled, StorageError, Unavailable
from workers.stage_timings import StageClock

_WRITE_SECONDS = 0.5
_BEAT_SECONDS = 5.0
_LOG_SECONDS = 60.0
_log = logging.getLogger(__name__)


class JobProgress:
    """A `Progress` that writes to the job's node; use it as a context manager around the stage."""

    def __init__(self, connection: Connection, job_id: str, owner: str) -> None:
        """Report for the job `job_id`, which `owner` has claimed (see `jobs.claim_job`)."""
        self._connection = connection
        self._job_id = job_id
        self._owner = owner
        self._now = ("", 0, 0, "")  # stage, done, total, unit
        self._written = 0.0
        self._logged = 0.0
        self.clock = StageClock()
        self._cancelled = False
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat_until_closed, name=f"heartbeat {job_id}", daemon=True)

    def __call__(self, stage: str, done: int, total: int, unit: str) -> None:
        """Report progress; raises `Cancelled` when the job was cancelled or another worker claimed it."""
        name = _name(stage)
        changed = name != _name(self._now[0])
        self._now = (stage, done, total, unit)
        if changed:
            self.clock.enter(name)
        if changed or time.monotonic() - self._logged >= _LOG_SECONDS:
            self._logged = time.monotonic()
            _log.info("job %s: %s%s", self._job_id, stage, f", {done} of {total} {unit}" if total else "")
        if changed or time.monotonic() - self._written >= _WRITE_SECONDS:
            self._write()
        if self._cancelled:
            raise Cancelled("Cancelled on request. Run the same command again to continue.")

    def __enter__(self) -> "JobProgress":
        """Start the heartbeat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat."""
        self.clock.enter("")
        self._closed.set()
        self._thread.join()

    def flush(self) -> None:
        """Write the last report immediately, so that a finished job shows its final progress."""
        self._write()

    def _beat_until_closed(self) -> None:
        while not self._closed.wait(_BEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        with self._lock:
            self._written = time.monotonic()
            try:
                alive = jobs.beat(self._connection, self._job_id, self._owner, *self._now)
            except (Unavailable, StorageError) as error:
                # the stage can continue without Neo4j; if Neo4j stays unreachable, the stage's own write fails
                _log.warning("job %s: its progress could not be written: %s", self._job_id, error)
            else:
                self._cancelled = not alive


def _name(stage: str) -> str:
    """Return the name of a stage without the numbers that a report adds."""
    return stage.partition(" · ")[0]
