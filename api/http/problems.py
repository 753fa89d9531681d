"""Conversion of exceptions to RFC 9457 problem documents, or to pages under /browse.

Status codes are assigned here only.

graph.errors      InvalidInput 422 · NotFound 404 · Conflict, Cancelled 409 · Unavailable 503 · StorageError 507
this module       TooLarge 413 · UnsupportedMedia 415 · WrongVersion 412 · Forbidden 403 · NotAcceptable 406
                  Unauthorized 401 · Misdirected 421 · TooManyRequests 429
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph import errors

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="Transitive Invariance"'},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "5"},  # a restarted Neo4j answers after about 20 s, a Redis at once
}


class TooLarge(errors.InvalidInput):
    """The request's body is larger than allowed."""


class UnsupportedMedia(errors.InvalidInput):
    """The request's body is of a kind that this route does not accept."""


class WrongVersion(errors.InvalidInput):
    """The client uses a version of a protocol that this server does not support."""


class NotAcceptable(errors.InvalidInput):
    """The client accepts none of the forms this route can answer in."""


class Unauthorized(errors.InvalidInput):
    """The request has no key, or a wrong one."""


class Misdirected(errors.InvalidInput):
    """The request is for a host that is not this server."""


class TooManyRequests(errors.InvalidInput):
    """The key's limit of requests is reached."""


class Forbidden(errors.InvalidInput):
    """The server refuses this location or this caller."""


# The first class an exception is an instance of decides; subclasses stand before their parents.
CODES: tuple[tuple[type[errors.TransitiveError], int, str, str], ...] = (
    (TooLarge, 413, "too-large", "The request is too large"),
    (UnsupportedMedia, 415, "unsupported-media", "This kind of body is not accepted"),
    (NotAcceptable, 406, "not-acceptable", "No form of the answer is acceptable to the client"),
    (WrongVersion, 412, "wrong-version", "This version of the protocol is not supported"),
    (Unauthorized, 401, "unauthorized", "A key is needed"),
    (Misdirected, 421, "misdirected", "The request is for another host"),
    (TooManyRequests, 429, "too-many-requests", "The key sends too many requests"),
    (Forbidden, 403, "forbidden", "The server does not allow this"),
    (errors.InvalidInput, 422, "invalid-input", "The input cannot be used"),
    (errors.NotFound, 404, "not-found", "Not found"),
    (errors.Conflict, 409, "conflict", "The present state does not allow this"),
    (errors.Cancelled, 409, "cancelled", "The job was stopped on request"),
    (errors.Unavailable, 503, "unavailable", "A part of the system is unavailable"),
    (errors.StorageError, 507, "storage", "The storage is full or damaged"),
    (errors.TransitiveError, 500, "internal", "The server failed"),
)


class FieldProblem(BaseModel):
    """One field that was wrong."""

    where: str = Field(description="Place in the request.", examples=["query.limit"])
    detail: str = Field(examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems#not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no patch 0123456789abcdef.",
                    "instance": "/patches/0123456789abcdef",
                }
            ]
        }
    )

    type: str = Field(description="Kind of problem; a reference to its explanation.")
    title: str
    status: int
    detail: str = Field(description="The cause and the cure, for people.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[FieldProblem] | None = Field(None, description="What was wrong, field by field.")


_EVERYWHERE = (401, 403, 406, 421, 422, 429, 503)

Described = dict[int | str, dict[str, Any]]
JOB_STARTED: Described = {202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}}}


def problem_responses(*codes: int, also: Described | None = None) -> Described:
    """Describe problem answers for OpenAPI, and `also` others; every route can also answer `_EVERYWHERE`."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    problems: Described = {c: {"description": HTTPStatus(c).phrase, "content": content} for c in {*codes, *_EVERYWHERE}}
    return {**(also or {}), **dict(sorted(problems.items(), key=str))}


def install(app: FastAPI, show: Callable[[Problem], str]) -> None:
    """Answer every error in `app` with a problem; `show` renders it as HTML for the pages."""
    app.state.show_problem = show
    app.add_exception_handler(errors.TransitiveError, _on_known)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


def describe(error: errors.TransitiveError, path: str) -> Problem:
    """Turn one of our errors into its problem."""
    status, kind, title = next((s, k, t) for of, s, k, t in CODES if isinstance(error, of))
    return Problem(type=f"/problems#{kind}", title=title, status=status, detail=str(error), instance=path)


def _answer(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    headers = {} if headers is None else headers
    headers |= _HEADERS.get(problem.status, {})
    if request.url.path.startswith("/browse"):
        return HTMLResponse(request.app.state.show_problem(problem), problem.status, headers)
    return JSONResponse(problem.model_dump(exclude_none=True), problem.status, headers, MEDIA_TYPE)


async def _on_known(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.TransitiveError)  # noqa: S101  what install() registered
    problem = describe(error, request.url.path)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return _answer(request, problem)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    parts = _file_parts(request)
    fields = [
        FieldProblem(where=f"form.{e['loc'][1]}", detail=_file_wanted(str(e["loc"][1])))
        if len(e["loc"]) > 1 and e["loc"][0] == "body" and e["loc"][1] in parts
        else FieldProblem(where=".".join(map(str, e["loc"])), detail=str(e["msg"]))
        for e in error.errors()
    ]
    problem = describe(errors.InvalidInput("; ".join(f"{f.where}: {f.detail}" for f in fields)), request.url.path)
    problem.errors = fields
    return _answer(request, problem)


def _file_parts(request: Request) -> set[str]:
    """Return the names of the form parts that the request's route takes as files."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return set()
    return {field.alias for field in route.dependant.body_params if isinstance(field.field_info, params.File)}


def _file_wanted(part: str) -> str:
    return f"Send the pictures as parts named `{part}`, each with a file name, in a form (multipart/form-data)."


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, errors.TransitiveError):  # FastAPI wraps what the body's reader raised
        return await _on_known(request, error.__cause__)
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.BAD_REQUEST:  # FastAPI's for a body that is no UTF-8 or no form; other bad bodies are 422
        return await _on_known(request, errors.InvalidInput("The body cannot be read: no JSON in UTF-8, or no form."))
    detail, headers = error.detail, dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}. /docs lists what there is."
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}. /docs lists what is."
        headers["Allow"] = ", ".join(_allowed(request))
    problem = Problem(
        type="about:blank", title=status.phrase, status=status.value, detail=detail, instance=request.url.path
    )
    return _answer(request, problem, headers)


def _allowed(request: Request) -> list[str]:
    """List the methods of every route at this path (Starlette names those of the first one only)."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    here = [methods for path, methods in paths.items() if compile_path(path)[0].match(request.url.path)]
    return sorted({method.upper() for methods in here for method in methods}) or ["GET"]


class Faults:
    """ASGI middleware around all checks: known errors become problems, unexpected ones a 500 without details.

    The trace of an unforeseen error goes to the log, once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; if an error is raised before a response was started, answer with a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            known = error if isinstance(error, errors.TransitiveError) else None
            if known is None or started:
                log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise ConnectionAbortedError("The answer broke off.") from None
            problem = describe(
                known or errors.TransitiveError("The server failed; its log holds the cause."), scope["path"]
            )
            await _answer(Request(scope), problem)(scope, receive, send)
