"""Writer of the report: REPORTS/<time>/index.html, self-contained, and report.json beside it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.report.facts import ReportInput, gather, illustrate
from graph.errors import StorageError


def write_report(report: ReportInput, reports: Path) -> tuple[Path, dict[str, Any]]:
    """Write a report into a new folder of `reports`; returns the path of its page and the contents of report.json."""
    made_at = datetime.now(UTC)
    facts = {"made_at": made_at.isoformat(timespec="seconds"), **gather(report)}
    page = render(facts, illustrate(report))
    folder = reports / made_at.strftime("%Y%m%d-%H%M%S-%f")
    try:
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        (folder / "index.html").write_text(page)
    except OSError as error:
        raise StorageError(
            f"The report could not be written to {folder}: {error.strerror}. Free some space."
        ) from error
    return folder / "index.html", facts


def render(facts: dict[str, Any], pictures: dict[str, Any]) -> str:
    """Return the page as HTML. Everything is escaped, except the SVG of the loss curves."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    return environment.get_template("page.html").render(**facts, pictures=pictures)
