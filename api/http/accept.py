"""The Accept header: a client's preference for each media type, and refusal if it accepts none of a route's types.

RFC 9110, section 12.5.1: the most specific range that fits a type decides, and q=0 refuses it.
"""

import mimetypes
from dataclasses import dataclass
from functools import lru_cache

from fastapi import Request
from fastapi.routing import APIRoute

from api.http.problems import NotAcceptable

HTML = "text/html"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header, such as `image/*;q=0.8`."""

    kind: str
    weight: float  # q, from 0 to 1

    def fits(self, media_type: str) -> bool:
        """Return whether the range matches a media type."""
        family = media_type.split("/")[0]
        return self.kind in ("*/*", f"{family}/*", media_type)

    @property
    def specific(self) -> int:
        """Return 0 for `*/*`, 1 for `family/*`, 2 for a whole type."""
        return 2 - self.kind.count("*")


@lru_cache(maxsize=64)  # clients repeat a few headers, and reading one takes longer than finding a picture in memory
def media_ranges(accept: str) -> tuple[MediaRange, ...]:
    """Read an Accept header in the order it was written; raises `NotAcceptable` for an impossible q."""
    found = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            number = float(weight)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise NotAcceptable(f"{part.strip()!r} in Accept has no number from 0 to 1 as its q.")
        found.append(MediaRange(kind or "*/*", number))
    return tuple(found)


def liking(accept: str, media_type: str) -> float:
    """Return the q of a media type: that of the most specific matching range, 0 if no range matches."""
    fitting = [one for one in media_ranges(accept) if one.fits(media_type)]
    return max(fitting, key=lambda one: one.specific).weight if fitting else 0.0


def refuse_unacceptable(request: Request) -> None:
    """Raise `NotAcceptable` if the client accepts none of the media types of the request's route."""
    accept = request.headers.get("accept")
    route = request.scope.get("route")
    if not accept or not isinstance(route, APIRoute):
        return
    forms = _forms(request, route)
    if forms and not any(liking(accept, form) > 0 for form in forms):
        raise NotAcceptable(f"{request.url.path} answers in {' or '.join(forms)}; {accept!r} takes none of it.")


def _forms(request: Request, route: APIRoute) -> list[str]:
    """Return the media types of a route's successful responses, from its OpenAPI description, or HTML for a page."""
    if not route.include_in_schema:
        return [mimetypes.guess_type(request.url.path)[0] or HTML]
    described = request.app.openapi()["paths"].get(route.path_format, {}).get(request.method.lower(), {})
    answers = described.get("responses", {})
    return [form for code, answer in answers.items() if code.startswith("2") for form in answer.get("content", {})]
