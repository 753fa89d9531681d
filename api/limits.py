"""A request's body comes in; the same body goes on, or a 413 once it is longer than this route may take."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import TooLarge

BODY_BYTES = 64 * 1024**2  # forms of images and lists of ids; videos have their own, larger limit (uploads.py)


class BodyLimit:
    """ASGI middleware, inside the handler of failures: bodies other than videos end at `BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http" or scope["path"] == "/videos":
            await self.app(scope, receive, send)
            return
        await self.app(scope, _counted(receive), send)


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
