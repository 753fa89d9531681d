"""Identification of processes by process id and start time, because the system reuses process ids."""

import os
from contextlib import suppress

import psutil

# Start times are stored rounded to a second, and the system derives them from a clock that can be adjusted. A process
# id is not reused within two seconds of the start of the process that had it.
_TOLERANCE_S = 2.0


def find_process(pid: int, started: float) -> psutil.Process | None:
    """Return the running process with this id and start time (seconds since 1970), or None when it has ended.

    A zombie has ended; it is reaped here if it is a child of this process.
    """
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > _TOLERANCE_S:
            return None
        if process.status() != psutil.STATUS_ZOMBIE:
            return process
    except psutil.NoSuchProcess:
        return None
    with suppress(ChildProcessError):  # not our child: its parent reaps it
        os.waitpid(pid, os.WNOHANG)
    return None
