"""Rendering of the HTML templates. Every value is escaped."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

STYLE = (Path(__file__).parent / "style.css").read_text()

# A page may show this server's images and the style below, and nothing else: no script, no frame, no outside address.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **shown: object) -> str:
    """Render `template` of api/pages/templates."""
    return _environment.get_template(template).render(**shown)


def _seconds(value: float) -> str:
    return f"{int(value) // 60}:{int(value) % 60:02d}" if value >= 60 else f"{value:.1f} s"


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _code(text: str) -> Markup:
    """Set what stands between backticks as code; everything is escaped first."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_environment.filters["code"] = _code
_environment.filters["seconds"] = _seconds
_environment.filters["number"] = _number
