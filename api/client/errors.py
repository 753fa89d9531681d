"""Errors of the client; the text of each is the `detail` of the server's problem (RFC 9457)."""

import json


class ClientError(Exception):
    """The server failed, or its answer has an unknown form."""


class InvalidInput(ClientError):
    """The server cannot use the request (4xx)."""


class NotFound(ClientError):
    """There is no such video, patch, job, model or generation (404)."""


class Refused(ClientError):
    """The server does not allow this, or not without another key (401, 403)."""


class Conflict(ClientError):
    """Another run or the present state prevents this (409)."""


class Unavailable(ClientError):
    """The server, or a part of it, does not answer; a later retry may help (503, 429, no connection)."""


class StorageFull(ClientError):
    """The server's disk is full, or a file on it is missing (507)."""


class JobFailed(ClientError):
    """A job that was waited for failed or was cancelled; the text is its reason."""


_KINDS: dict[int, type[ClientError]] = {
    401: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    429: Unavailable,
    503: Unavailable,
    507: StorageFull,
}


def error_of(status: int, body: bytes, address: str) -> ClientError:
    """Return the error for an answer of this status (400 or more)."""
    try:
        detail = str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{address} answered with status {status}."
    return _KINDS.get(status, InvalidInput if status < 500 else ClientError)(detail)
