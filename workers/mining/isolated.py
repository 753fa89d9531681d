"""Mining in a child process, so that a crash, a hang or excessive memory use of a decoder does not harm the worker.

The child (workers/mining/child.py) is a new interpreter and no fork, so every thread of a worker can start one. A child
is reused for the next video; a child that died or was stopped is replaced. When the parent dies, the write end of the
`lifeline` pipe closes and the kernel sends the child a signal, which ends it even if native code hangs. While the child
sends nothing, the caller's `Progress` is called every second; if it raises `Cancelled`, the child is killed.
"""

import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from graph.errors import BadVideo
from graph.records import Progress, no_progress
from workers.mining.decode import Count
from workers.mining.given_tracks import GivenTracks
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.mining.survey import Segment

HEADER = struct.Struct("<Q")
_WAKE = 1.0  # seconds between two checks of the time limits and for cancellation
_ROOT = Path(__file__).parents[2]


class MiningFault(RuntimeError):
    """An unexpected exception of the mining code in the child. The child's trace is added as a note for the log."""

    def __init__(self, path: Path, trace: str) -> None:
        """Use the last line of the trace as the message: the exception's type and text."""
        super().__init__(f"{path.name}: {trace.strip().splitlines()[-1]}")
        self.add_note(trace)


def mine_isolated(
    path: Path, limits: Limits | None = None, progress: Progress = no_progress, recipe: Mining | None = None
) -> MinedVideo:
    """Mine one video in a child process.

    Raises:
        BadVideo: the video cannot be mined, or its decoder crashed, hung or used too much memory.
    """
    mined: MinedVideo = _isolated("mine", path, limits, progress, {"recipe": recipe})
    return mined


def cut_isolated(path: Path, limits: Limits, progress: Progress, recipe: Mining) -> list[Segment]:
    """Cut a video into segments in a child process, as `segments.cut_into_segments` does."""
    segments: list[Segment] = _isolated("cut", path, limits, progress, {"recipe": recipe})
    return segments


def mine_segment_isolated(
    path: Path, limits: Limits, progress: Progress, recipe: Mining, segment: Segment, identifier: str
) -> MinedVideo:
    """Mine one segment of the video called `identifier` in a child process; raises what `mine_isolated` does."""
    arguments = {"recipe": recipe, "segment": segment, "identifier": identifier}
    mined: MinedVideo = _isolated("segment", path, limits, progress, arguments)
    return mined


def cut_tracks_isolated(
    path: Path, limits: Limits, progress: Progress, given: GivenTracks, recipe: Mining
) -> MinedVideo:
    """Cut the patches of given tracks out of a video in a child process, as `given_tracks.cut_video` does."""
    cut: MinedVideo = _isolated("given", path, limits, progress, {"given": given, "recipe": recipe})
    return cut


def sheet_isolated(
    path: Path, sheet: Path | None, limits: Limits, progress: Progress, recipe: Mining
) -> dict[str, Any]:
    """Run `sheet.draw_sheet` in a child process; returns the video's report."""
    arguments = {"sheet": sheet.absolute() if sheet else None, "recipe": recipe}
    drawn: dict[str, Any] = _isolated("sheet", path, limits, progress, arguments)
    return drawn


def track_isolated(path: Path, limits: Limits | None, progress: Progress, **arguments: Any) -> dict[str, Any]:
    """Follow one box in a child process; the arguments are those of `follow_box.follow_box`."""
    found: dict[str, Any] = _isolated("track", path, limits, progress, arguments)
    return found


def count_isolated(path: Path, limits: Limits | None = None) -> Count:
    """Count a file's frames in a child process, without decoding."""
    count: Count = _isolated("count", path, limits, no_progress, {})
    return count


def _isolated(task: str, path: Path, limits: Limits | None, progress: Progress, arguments: dict[str, Any]) -> Any:
    limits = limits or Limits()
    child = _take(limits)
    try:
        with child:
            return child.do(task, path, limits, progress, arguments)
    finally:
        _give(child)


class _Child:
    """One child process and the pipes to it; an error during a task ends the process unless the child reported it."""

    def __init__(self, memory_mb: int) -> None:
        lifeline, self._lifeline = os.pipe()
        self.memory_mb = memory_mb
        self._ready = True  # whether the child waits for a task
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.mining.child", str(memory_mb), str(lifeline)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg's and glibc's messages; the exit code gives the reason
                pass_fds=[lifeline],
                cwd=_ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            )
        finally:
            os.close(lifeline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not self._ready:
            self.stop()

    def alive(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def do(self, task: str, path: Path, limits: Limits, progress: Progress, arguments: dict[str, Any]) -> Any:
        """Send one task to the child and wait for the result; the child's progress is passed to `progress`.

        Raises:
            BadVideo: the child refused the video, crashed, used too much memory or time, or made no progress.
            Cancelled: `progress` raised it; the child is killed.
            MiningFault: an unexpected exception was raised in the child.
        """
        watch = _Watch(limits, progress)
        self._ready = False
        try:
            self._send((task, path.absolute(), limits, arguments))
            while True:
                kind, content = self._receive(watch)
                self._ready = kind != "progress"
                if kind == "progress":
                    watch.moved(content)
                elif kind == "done":
                    return content
                elif kind == "refused":
                    raise content
                elif kind == "memory":
                    self.stop()
                    raise BadVideo(self._too_much(path))
                else:
                    raise MiningFault(path, content)
        except TimeoutError as error:
            self.stop()
            raise BadVideo(f"{path.name} was given up: {error}") from None
        except (EOFError, BrokenPipeError, ConnectionResetError):
            code = self._process.wait()
            raise BadVideo(self._ended(path, code)) from None

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message)
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101
        pipe.write(HEADER.pack(len(data)) + data)
        pipe.flush()

    def _receive(self, watch: "_Watch") -> tuple[str, Any]:
        (size,) = HEADER.unpack(self._read(HEADER.size, watch))
        kind, content = pickle.loads(self._read(size, watch))  # noqa: S301 - written by our own child
        return str(kind), content

    def _read(self, size: int, watch: "_Watch") -> bytes:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101
        parts: list[bytes] = []
        while size:
            ready, _, _ = select.select([pipe], [], [], min(watch.left(), _WAKE))
            if not ready:
                watch.ask()
                continue
            part = os.read(pipe.fileno(), min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _too_much(self, path: Path) -> str:
        return (
            f"{path.name} needs more than {self.memory_mb} MiB of memory to decode. "
            "TRANSITIVE_MINING_MEMORY_MB is the limit."
        )

    def _ended(self, path: Path, code: int) -> str:
        if code == -signal.SIGKILL:
            return f"{path.name}: the process that decoded it was killed, most likely for lack of memory."
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{path.name} crashed its decoder ({name}): the file is damaged or malicious."


class _Watch:
    """The time limits of one task, and whether its caller still wants the result."""

    def __init__(self, limits: Limits, progress: Progress) -> None:
        self._limits = limits
        self._progress = progress
        self._end = time.monotonic() + limits.seconds
        self._stall_end = time.monotonic() + limits.stall_seconds
        self._last: tuple[str, int, int, str] = ("read", 0, 0, "packets")

    def moved(self, report: tuple[str, int, int, str]) -> None:
        """Pass on a report; a report that differs from the last one restarts the stall limit."""
        if report != self._last:
            self._last = report
            self._stall_end = time.monotonic() + self._limits.stall_seconds
        self._progress(*report)

    def ask(self) -> None:
        """Repeat the last report, so that a cancelled job's `Progress` can raise `Cancelled`."""
        self._progress(*self._last)

    def left(self) -> float:
        """Return the seconds until the next time limit; raises `TimeoutError` if a limit has passed."""
        now = time.monotonic()
        if now >= self._end:
            raise TimeoutError(
                f"it took more than {self._limits.seconds:.0f} s, so its decoder hangs or it is very long. "
                "TRANSITIVE_MINING_SECONDS is the limit."
            )
        if now >= self._stall_end:
            raise TimeoutError(
                f"its decoder made no progress for {self._limits.stall_seconds:.0f} s. "
                "TRANSITIVE_MINING_STALL_SECONDS is the limit."
            )
        return min(self._end, self._stall_end) - now


_idle: list[_Child] = []
_lock = threading.Lock()


def _take(limits: Limits) -> _Child:
    """Take an idle child that has the same memory limit, or start one."""
    with _lock:
        for child in list(_idle):
            _idle.remove(child)
            if child.alive() and child.memory_mb == limits.memory_mb:
                return child
            child.stop()
    return _Child(limits.memory_mb)


def _give(child: _Child) -> None:
    """Keep the child for the next video if it is alive."""
    if child.alive():
        with _lock:
            _idle.append(child)
    else:
        child.stop()


def stop_children() -> None:
    """End the idle children, so that nothing is left when a worker or a test ends."""
    with _lock:
        while _idle:
            _idle.pop().stop()
