"""The error for invalid arguments of a command: exit status 2 and one line with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from graph.errors import InvalidInput, NotFound


class WrongCall(InvalidInput):
    """An argument cannot be used. Commands raise it before they start a server."""


@contextmanager
def checked_arguments() -> Iterator[None]:
    """Re-raise `InvalidInput` and `NotFound` from this block as `WrongCall`."""
    try:
        yield
    except (InvalidInput, NotFound) as error:
        raise WrongCall(str(error)) from None
