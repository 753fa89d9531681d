"""Parameters that many routes share: pages of lists, and the key of a request that may be repeated."""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Query, Request

Found = TypeVar("Found")

MOST_INTEGER = 2**53 - 1  # up to here every JSON parser keeps integers exactly (RFC 8259, section 6)

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items on a page.")]
AfterVideo = Annotated[
    str,
    Query(pattern=r"^([0-9a-f]{32}(:[\s\S]*)?)?$", max_length=400, description="Key of the page before's last video."),
]
AfterPatch = Annotated[str, Query(pattern="^([0-9a-f]{16})?$", description="Id of the last patch of the page before.")]
AfterText = Annotated[str, Query(max_length=200, description="Key of the last item of the page before.")]


def _scoped_key(
    request: Request,
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=200,
            description="Any text, for one API key and one route. A request that is sent again with it within a day "
            "gets the job that it started.",
        ),
    ] = "",
) -> str:
    """Return a hash of the key, the API key and the route; "" if no key was sent."""
    if not key:
        return ""
    scope = [getattr(request.state, "key", ""), request.method, request.url.path, key]
    return blake2b(json.dumps(scope).encode(), digest_size=16).hexdigest()


IdempotencyKey = Annotated[str, Depends(_scoped_key)]


def cut(
    request: Request, found: Sequence[Found], limit: int, key: Callable[[Found], str]
) -> tuple[list[Found], str | None]:
    """Cut `found` (asked for with `limit + 1`) to `limit` items; the address is None at the end of the list."""
    if len(found) <= limit:
        return list(found), None
    address = request.url.include_query_params(after=key(found[limit - 1]))  # keeps the limit that was asked for
    return list(found[:limit]), f"{address.path}?{address.query}"
