"""The lines of the local workers' logs that belong to one job."""

from collections import deque
from pathlib import Path

TAIL_BYTES = 4 * 1024**2  # of each log; an older job's lines may lie before


def job_log(folder: Path, job_id: str, most: int) -> list[str]:
    """Return the last `most` lines that name the job, each with the lines that follow it without a time (a trace).

    Workers on other machines keep their own logs; those lines are not here.
    """
    found: deque[str] = deque(maxlen=most)
    for path in sorted(folder.glob("worker-*.log")):
        belongs = False
        for line in _tail(path):
            if line[:1].isdigit() or line[:1] in "[{":
                belongs = job_id in line
            if belongs:
                found.append(line)
    return list(found)


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()
