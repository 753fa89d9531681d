"""From Ctrl-C to `Cancelled`: for long work inside the command itself, which ends it at a safe point (a checkpoint)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from graph.errors import Cancelled
from graph.records import Progress


@contextmanager
def cancelling(progress: Progress) -> Iterator[Progress]:
    """Give a `Progress` that raises `Cancelled` at its next report after Ctrl-C (a second Ctrl-C ends at once)."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def report(stage: str, done: int, total: int, unit: str) -> None:
        progress(stage, done, total, unit)
        if asked:
            raise Cancelled("Stopped. Run the same command again to go on.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield report
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
