"""Check of the Host header against the names of this server.

In DNS rebinding, the owner of evil.example changes the name's address to 127.0.0.1, and the browser then treats this
server as a part of that site. The Host of such a request is evil.example, so unknown names are refused. IP addresses
are accepted, because they cannot be rebound.
"""

import ipaddress
import socket
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import Misdirected
from graph.settings import Settings


def known_names(settings: Settings) -> frozenset[str]:
    """Return the names of this server: this machine's, the one it listens on, and those of TRANSITIVE_HOST_NAMES."""
    named = (name.strip() for name in settings.host_names.split(","))
    return frozenset(name.lower() for name in ("localhost", socket.gethostname(), settings.host, *named) if name)


class KnownHosts:
    """ASGI middleware that refuses requests for another host (421)."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; raises `Misdirected`."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if not _is_known(host, self._names):
                raise Misdirected(f"{host!r} is not a name of this server. Add it to TRANSITIVE_HOST_NAMES.")
        await self.app(scope, receive, send)


@lru_cache(maxsize=256)  # parsing an address takes as long as the rest of the check
def _is_known(host: str, names: frozenset[str]) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") and ":" in host else host
    if name.lower().rstrip(".") in names:
        return True
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
