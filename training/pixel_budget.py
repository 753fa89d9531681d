"""A limit on the pixels that all threads of a process decode at the same time.

Without it pictures could fill the memory: a 186 KB PNG decodes to 64 million pixels, about 200 MB per copy. A
request waits until the pixels of others are freed.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LARGE = 4 * 10**6  # pixels; after a larger picture, the allocator returns its free memory to the system


class PixelBudget:
    """A counter of the pixels being decoded, at most `limit`; a thread that would exceed it waits."""

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

        Pillow frees its blocks of 16 MB to the allocator, which keeps them. The call has no effect if the C library
        lacks `malloc_trim` (glibc has it).
        """
        with self._changed:
            large, self._large = self._large, False
        if large:
            with suppress(AttributeError, OSError):
                ctypes.CDLL(None).malloc_trim(0)
