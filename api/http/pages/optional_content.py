"""Reading of optional content, which a page omits if it does not exist yet."""

from collections.abc import Callable
from typing import TypeVar

from graph.errors import NotFound

Found = TypeVar("Found")


def or_none(read: Callable[[], Found]) -> Found | None:
    """Return what `read` returns, or None where it raises `NotFound`."""
    try:
        return read()
    except NotFound:
        return None
