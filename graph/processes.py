"""Identification of processes by process id and start time, because the operating system reuses process ids."""

import os
from contextlib import suppress

import psutil

# Stored start times are rounded to a second, and the system computes start times from a clock that can be adjusted. A
# process id is not reused within two seconds of its process's start.
_TOLERANCE_S = 2.0


def find_process(pid: int, started: float) -> psutil.Process | None:
    """Return the running process with this id and start time (seconds since 1970), or None when it has ended.

    A zombie counts as ended; it is reaped here if it is a child of this process.
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
