"""The lines of the logs of this home's API and workers that belong to one job."""

from collections import deque
from pathlib import Path

TAIL_BYTES = 4 * 1024**2  # of each log; the lines of an older job may be before this tail


def job_log(folder: Path, job_id: str, most: int) -> list[str]:
    """Return the last `most` lines that name the job, each with the lines without a time that follow it (a trace).

    The logs of the previous start are read too, those of workers on other machines are not.
    """
    found: deque[str] = deque(maxlen=most)
    names = ("api.log.1", "api.log", "worker-*.log.1", "worker-*.log")  # the API's line is the first one
    for path in (path for name in names for path in sorted(folder.glob(name))):
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
