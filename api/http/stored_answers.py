"""ASGI middleware that answers requests for pictures and embeddings whose bytes are in memory.

FastAPI takes about 100 µs to find a route, to resolve its dependencies and to close them, which is longer than the rest
of such an answer. A request that needs a file, another thread or an error is passed on to its route.
"""

import re
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.accept import liking
from api.http.embedding_forms import JSON, chosen_form, one_embedding
from api.http.problems import NotAcceptable
from api.http.ranges import tagged_bytes
from api.http.service import Service

JPEG = "image/jpeg"
CACHE = "private, max-age=3600"
_PATH = re.compile(r"/patches/([0-9a-f]{16})/(image|embedding)")
_MODEL = re.compile(rb"model=([\w.-]{1,200})")  # names that need no decoding; others are passed on


@dataclass(frozen=True, slots=True)
class _Route:
    """The template of a path, by which `metrics.Measured` counts a request."""

    path: str


_ROUTES = {what: _Route(f"/patches/{{patch_id}}/{what}") for what in ("image", "embedding")}


class StoredAnswers:
    """Answers GET of `/patches/{id}/image` and `/patches/{id}/embedding?model=ID` from memory."""

    def __init__(self, app: ASGIApp, shared: Service) -> None:
        self.app, self._shared = app, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        response = self._answer(scope, found[1], found[2]) if found else None
        if found is None or response is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = _ROUTES[found[2]]
        await response(scope, receive, send)

    def _answer(self, scope: Scope, patch_id: str, what: str) -> Response | None:
        accept = Headers(scope=scope).get("accept", "")
        try:
            return self._image(scope, patch_id, accept) if what == "image" else self._embedding(scope, patch_id, accept)
        except NotAcceptable:
            return None  # the route answers with the problem

    def _image(self, scope: Scope, patch_id: str, accept: str) -> Response | None:
        if scope["query_string"] or (accept and liking(accept, JPEG) <= 0):
            return None
        content = self._shared.files.jpeg_in_memory(patch_id)
        return tagged_bytes(Request(scope), content, JPEG, CACHE) if content is not None else None

    def _embedding(self, scope: Scope, patch_id: str, accept: str) -> Response | None:
        named = _MODEL.fullmatch(scope["query_string"])
        form = chosen_form(accept or JSON)
        name = self._shared.model_in_memory(named[1].decode()) if named else ""
        vector = self._shared.files.embedding_in_memory(name, patch_id) if name else None
        return one_embedding(form, name, patch_id, vector) if vector is not None else None
