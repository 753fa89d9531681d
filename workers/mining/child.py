"""The child process in which videos are decoded. workers/mining/isolated.py starts it.

A message is the length of a pickle, followed by the pickle. The child receives (task, path, limits, arguments) and
sends ("progress" | "done" | "refused" | "memory" | "failed", content).
"""

import errno
import os
import pickle
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from graph.errors import BadVideo, TransitiveError
from workers.lifeline import die_with_parent
from workers.mining.container import NVIDIA
from workers.mining.decode import count_frames
from workers.mining.follow_box import follow_box
from workers.mining.given_tracks import cut_video
from workers.mining.isolated import HEADER
from workers.mining.recipe import Limits
from workers.mining.segments import cut_into_segments
from workers.mining.sheet import draw_sheet
from workers.mining.video import mine, mine_segment

_TELL = 0.2  # seconds between two progress messages


def main(memory_mb: int, lifeline: int) -> None:
    """Serve until stdin ends."""
    die_with_parent(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    most = _mapped() + (memory_mb << 20)  # the libraries' own mappings do not count
    # CUDA reserves more addresses than there is memory. So if NVDEC may decode, only writable memory counts.
    resource.setrlimit(resource.RLIMIT_DATA if NVIDIA.exists() else resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Output of a library must not be mixed with the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = sys.stdin.buffer
    while header := source.read(HEADER.size):
        task, path, limits, arguments = pickle.loads(source.read(HEADER.unpack(header)[0]))  # noqa: S301 - from our parent
        kind, content = _do(task, path, limits, arguments, output)
        _send(output, kind, content)


_TASKS: dict[str, Callable[..., Any]] = {
    "mine": mine,
    "cut": cut_into_segments,
    "segment": mine_segment,
    "sheet": draw_sheet,
    "track": follow_box,
    "count": count_frames,
    "given": cut_video,
}


def _do(task: str, path: Path, limits: Limits, arguments: dict[str, Any], output: BinaryIO) -> tuple[str, Any]:
    last = 0.0

    def tell(stage: str, done: int, total: int, unit: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL:
            last = time.monotonic()
            _send(output, "progress", (stage, done, total, unit))

    try:
        return "done", _TASKS[task](path, limits, tell, **arguments)
    except TransitiveError as error:
        return "refused", error
    except (MemoryError, OSError, cv2.error) as error:
        if _is_memory(error):
            return "memory", ""
        if isinstance(error, OSError) and error.errno == errno.EIO:  # a bad disk, or a share that went away
            return "refused", BadVideo(f"{path.name} cannot be read to its end: {error.strerror}.")
        return "failed", traceback.format_exc()
    except Exception:  # any other fault is a defect: its trace goes to the parent, and this process continues
        return "failed", traceback.format_exc()


def _is_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOMEM, errno.EAGAIN)  # EAGAIN: no memory for the stack of a scaling thread
    return isinstance(error, MemoryError) or "OutOfMemory" in str(error) or "Insufficient memory" in str(error)


def _send(output: BinaryIO, kind: str, content: Any) -> None:
    data = pickle.dumps((kind, content))
    output.write(HEADER.pack(len(data)) + data)
    output.flush()


def _mapped() -> int:
    """Return how many bytes of addresses this process has mapped."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else 1 << 30


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
