"""Deferred handling of Ctrl-C: long work checks for it at safe points, between two queries or at a checkpoint.

Python would raise it in the middle of the driver's bytes, which leaves the connection unusable.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from graph.errors import Cancelled
from graph.records import Progress


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C was pressed (or SIGTERM came); a second one ends at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cancelling(progress: Progress) -> Iterator[Progress]:
    """Give a `Progress` that raises `Cancelled` at its next report after Ctrl-C, where long work can end."""
    with deferred() as asked:

        def report(stage: str, done: int, total: int, unit: str) -> None:
            progress(stage, done, total, unit)
            if asked():
                raise Cancelled("Stopped. Run the same command again to go on.")

        yield report
