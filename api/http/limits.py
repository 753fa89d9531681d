"""Checks and ASGI middleware for every request: its origin, the size of its body, and HEAD."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import Forbidden, TooLarge
from graph.errors import InvalidInput

LONGEST_BOUNDARY = 70  # bytes; RFC 2046, section 5.1.1
BODY_BYTES = 64 * 1024**2  # forms of images and lists of ids; videos have their own, larger limit (uploads.py)


def refuse_foreign_pages(request: Request) -> None:
    """Raise `Forbidden` if a page of another origin sends a request that changes something (CSRF).

    On loopback no key is needed, so every page that is open in a browser on this machine could send requests. Browsers
    keep such pages from reading the responses, because no CORS headers are sent. But they do send such pages' forms.
    """
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        site = request.headers.get("sec-fetch-site", "none")
        origin = request.headers.get("origin")
        ours = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        # old browsers send no Sec-Fetch-Site; behind a proxy that changes Host, only Sec-Fetch-Site can be right
        if site not in ("none", "same-origin") or (site == "none" and not ours):
            raise Forbidden("Pages of other sites cannot change anything here. Send the request without a browser.")


class BodyLimit:
    """ASGI middleware, inside `problems.Faults`: bodies other than videos end at `BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted; raises `InvalidInput` for a form with a long boundary."""
        if scope["type"] != "http" or scope["path"] == "/videos" or scope["path"].startswith("/uploads/"):
            await self.app(scope, receive, send)
            return
        if _boundary_length(scope) > LONGEST_BOUNDARY:  # the forms' parser would raise before it reads
            raise InvalidInput(f"The form's boundary is longer than {LONGEST_BOUNDARY} bytes. Choose a shorter one.")
        await self.app(scope, _counted(receive), send)


class HeadAsGet:
    """ASGI middleware that handles HEAD as GET; the web server omits the body.

    Streams of events accept only GET, because they last as long as their job.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, HEAD as GET."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and not scope["path"].endswith("/events"):
            scope = {**scope, "method": "GET"}  # a copy, because the web server must still see HEAD
        await self.app(scope, receive, send)


def _boundary_length(scope: Scope) -> int:
    """Return how long the boundary of the request's multipart form is, 0 without one."""
    kind = Headers(scope=scope).get("content-type", "")
    return len(parse_options_header(kind)[1].get(b"boundary", b""))


def _counted(receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    seen = 0

    async def count() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_BYTES:
            raise TooLarge(f"The body is larger than {BODY_BYTES} bytes. Send it in several requests.")
        return message

    return count
