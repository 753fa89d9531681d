"""The lines of the logs of this home's API and workers that belong to one job."""

from pathlib import Path

TAIL_BYTES = 4 * 1024**2  # of each log; the lines of an older job may be before this tail
_TIME = len("2026-01-01 00:00:00,000")


def job_log(folder: Path, job_id: str, most: int) -> list[str]:
    """Return the last `most` lines that name the job, each with the lines without a time that follow it (a trace).

    They are in order of time. The logs of the previous start are read too, those of other machines are not.
    """
    entries: list[list[str]] = []
    for path in sorted([*folder.glob("api.log*"), *folder.glob("worker-*.log*")]):
        belongs = False
        for line in _tail(path):
            if line[:1].isdigit() or line[:1] in "[{":
                belongs = job_id in line
                if belongs:
                    entries.append([])
            if belongs:
                entries[-1].append(line)
    entries.sort(key=lambda lines: _time(lines[0]))
    return [line for lines in entries for line in lines][-most:]


def _time(line: str) -> str:
    """Return the time at the start of a line, of the same form for text and JSON (`graph.logs`)."""
    return line.removeprefix('{"time": "')[:_TIME].replace("T", " ").replace(".", ",")


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()
