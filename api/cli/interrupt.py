"""Deferred handling of Ctrl-C: long work checks for it at safe points, between two queries or at a checkpoint.

Python's own handling may interrupt the Neo4j driver in the middle of a message, and the connection is unusable then.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from graph.errors import Cancelled
from graph.records import Progress


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM came; a second one raises `KeyboardInterrupt` at once."""
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
    """Yield a `Progress` that raises `Cancelled` at the first report after Ctrl-C, a point where the work can end."""
    with deferred() as asked:

        def report(stage: str, done: int, total: int, unit: str) -> None:
            progress(stage, done, total, unit)
            if asked():
                raise Cancelled("Stopped. Run the same command again to continue.")

        yield report
