"""Decisions of both clients about an answer: whether it is a failure, and whether the call is repeated."""

from typing import Any

import httpx

from .calls import Call
from .errors import ClientError, Unavailable, error_of

_WAIT_S = 0.5  # before the first repetition; doubled for each further one


def failure_of(response: httpx.Response) -> ClientError | None:
    """Return the error that an answer reports; None for a success."""
    return error_of(response.status_code, response.content, str(response.url)) if response.is_error else None


def no_answer(address: object, error: httpx.TransportError) -> ClientError:
    """Return the error for a request to which no answer came."""
    failure = Unavailable(f"The API at {address} does not answer ({error}).")
    failure.__cause__ = error
    return failure


def pause_before_retry(call: Call[Any], failure: ClientError, attempt: int, retries: int) -> float:
    """Return the seconds to wait before a call is sent again; raises `failure` if it may not be or cannot help."""
    if not call.repeatable:
        raise failure
    return pause(failure, attempt, retries)


def pause(failure: ClientError, attempt: int, retries: int) -> float:
    """Return the seconds to wait after attempt number `attempt` (from 0); raises `failure` if another cannot help."""
    if attempt >= retries or not isinstance(failure, Unavailable):
        raise failure
    return _WAIT_S * (1 << attempt)
