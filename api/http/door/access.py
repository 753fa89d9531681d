"""Check of every request's key: `Authorization: Bearer`, or the cookie of the login form."""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.door.scopes import OPEN, needed_scope
from api.http.door.session import COOKIE, LOGGED_IN, key_of_session
from api.http.door.usage import Usage
from api.http.problems import Forbidden, Unauthorized
from api.keys import ApiKey, KeyStore, is_loopback

_PAGES = "/browse"


class Access:
    """ASGI middleware that checks a request's key, its scope and its limits.

    A key is needed if `always` is true, and on every connection whose local address is not loopback. A wrong key is
    always refused.
    """

    def __init__(self, app: ASGIApp, keys: KeyStore, usage: Usage, always: bool) -> None:
        self.app, self._keys, self._usage, self._always = app, keys, usage, always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; raises `Unauthorized`, `Forbidden` or `TooManyRequests`. Pages redirect to the login."""
        if scope["type"] != "http" or OPEN.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = self._presented(headers)
        if key is None:
            if self._always or not _came_to_loopback(scope):
                if _is_page(scope):
                    login = RedirectResponse(f"/login?next={quote(scope['path'])}", 303)
                    await login(scope, receive, send)
                    return
                raise Unauthorized("This server asks for a key: send `Authorization: Bearer KEY`, or log in at /login.")
            await self.app(scope, receive, send)
            return
        needed = needed_scope(scope["method"], scope["path"])
        if not key.scope.includes(needed):
            raise Forbidden(f"This needs a key of scope {needed}; the one sent has {key.scope}.")
        with self._usage.counted(key.id):
            scope.setdefault("state", {}).update(key=key.id, key_name=key.name, scope=key.scope)
            await self.app(scope, receive, send)

    def _presented(self, headers: Headers) -> ApiKey | None:
        """Return the key of a request, or None if it has none; raises `Unauthorized` for a wrong key."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind:
            key = self._keys.find(token.strip()) if kind.lower() == "bearer" else None
            if key is None:
                raise Unauthorized("The key is wrong or was revoked. `transitive key list` shows those there are.")
            return key
        cookie = _cookie(headers.get("cookie", ""))
        key = key_of_session(cookie, self._keys) if cookie else None
        LOGGED_IN.set(key is not None)
        return key


def _came_to_loopback(scope: Scope) -> bool:
    server = scope.get("server")
    return server is not None and is_loopback(str(server[0]))


def _is_page(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and (scope["path"] == "/" or scope["path"].startswith(_PAGES))


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
