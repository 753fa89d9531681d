"""Rendering of the HTML templates. Every value is escaped."""

import re
from datetime import UTC, datetime
from pathlib import Path

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.http.door.session import LOGGED_IN
from api.http.pages.navigation import NAVIGATION
from api.responses.jobs import JobResponse
from graph.records import ENDED, Job

JOB_KINDS = {
    "ingest": "Ingest",
    "segment": "Segment",
    "import": "Import",
    "link": "Linking",
    "train": "Training",
    "embed": "Embedding",
    "map": "Map",
    "index": "Index",
}

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["navigation"] = NAVIGATION
_environment.globals["section"] = ""


def page(template: str, **shown: object) -> str:
    """Render a template of the folder `templates`."""
    return _environment.get_template(template).render(logged_in=LOGGED_IN.get(), **shown)


def answer(template: str, **shown: object) -> Response:
    """Answer with a rendered template; `api.http.door` adds the security headers."""
    return HTMLResponse(page(template, **shown))


def _seconds(value: float) -> str:
    return f"{int(value) // 60}:{int(value) % 60:02d}" if value >= 60 else f"{value:.1f} s"


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f")


def _decimal(value: object, places: int = 3) -> str:
    """Write a fraction with `places` digits, or two if it is tiny; whole and large numbers without; a word as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return _number(value)
    return f"{value:.2g}" if 0 < abs(value) < 0.5 * 10**-places else f"{value:.{places}f}"


def _size(count: float) -> str:
    """Write a number of bytes."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _when(text: str) -> str:
    """Write an ISO 8601 time to the minute, in UTC."""
    return f"{text[:16].replace('T', ' ')} UTC" if text else "–"


def _ago(text: str) -> str:
    """Write how long ago an ISO 8601 time was."""
    if not text:
        return "–"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _job_progress(job: Job | JobResponse) -> str:
    """Write a job's progress: its stage, its count, and the time of its end or its last report."""
    parts = [job.stage] if job.stage else []
    if job.total and job.state not in ENDED:
        parts.append(f"{_number(job.done)} of {_number(job.total)} {job.unit}")
    parts.append(f"ended {_ago(job.finished_at)}" if job.finished_at else f"asked for {_ago(job.created_at)}")
    return " · ".join(parts)


def _words(name: str) -> str:
    """Write a field's name as words."""
    return name.replace("_", " ")


def _code(text: str) -> Markup:
    """Mark text between backticks as code; the whole text is escaped first."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_environment.filters |= {
    "code": _code,
    "seconds": _seconds,
    "number": _number,
    "decimal": _decimal,
    "size": _size,
    "when": _when,
    "ago": _ago,
    "words": _words,
    "job_progress": _job_progress,
    "job_kind": lambda kind: JOB_KINDS.get(kind, kind),
}
