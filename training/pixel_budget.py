"""A bound on the pixels that all threads of a process decode at the same time, so that pictures cannot fill the memory.

A 186 KB PNG unfolds to 64 million pixels, about 200 MB per copy. Requests wait for each other's pixels, not for memory.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LARGE = 4 * 10**6  # pixels; after a larger picture the allocator is asked to hand its free memory back


class PixelBudget:
    """A count of pixels in flight, at most `limit`; who asks for more waits until others are done."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._large = False
        self._changed = threading.Condition()

    @contextmanager
    def decoding(self, pixels: int) -> Iterator[None]:
        """Hold `pixels` (at most the whole limit) during the block; waits until they are free."""
        taken = min(pixels, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()
                self._large = self._large or pixels > LARGE

    def give_memory_back(self) -> None:
        """Return freed memory to the system if a large picture was decoded since the last call.

        Pillow frees its blocks of 16 MB to the allocator, which keeps them. Without effect where the C library has no
        `malloc_trim` (glibc has).
        """
        with self._changed:
            large, self._large = self._large, False
        if large:
            with suppress(AttributeError, OSError):
                ctypes.CDLL(None).malloc_trim(0)
