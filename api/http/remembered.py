"""A value that other processes may change, kept in memory for a few seconds."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

FRESH_S = 5.0

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """A value that is read again once it is older than `FRESH_S`. The caller guards it by a lock.

    `value` stays the same object while the read values are equal, so that callers can compare identity to detect a
    change.
    """

    def __init__(self, read: Callable[[], Value], first: Value) -> None:
        """Use `first` until the first reading; nothing is read yet."""
        self._read = read
        self._read_at = -FRESH_S
        self.value = first

    @property
    def is_fresh(self) -> bool:
        """Whether the last reading is younger than `FRESH_S`."""
        return time.monotonic() - self._read_at < FRESH_S

    def refresh(self, force: bool = False) -> bool:
        """Read the value if it is too old or if `force` is set; returns whether it changed. Raises what `read` does."""
        if self.is_fresh and not force:
            return False
        found = self._read()
        self._read_at = time.monotonic()
        changed = found != self.value
        if changed:
            self.value = found
        return changed

    def expire(self) -> None:
        """Have the next `refresh` read the value."""
        self._read_at = -FRESH_S
