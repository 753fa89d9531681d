"""The patches that people marked as no object, kept in memory for searches."""

import threading
import time
from contextlib import suppress

from api.http.patch_files import FRESH_S
from graph.connection import Connection
from graph.errors import Unavailable
from graph.feedback import marked_patches


class MarkedPatches:
    """The ids of the marked patches, read again after `FRESH_S` seconds. Threads may share it.

    While Neo4j is unavailable, the ids of the last reading are used.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._read_at = -FRESH_S

    def __call__(self) -> frozenset[str]:
        """Return the ids; the same object as long as nothing changes."""
        if time.monotonic() - self._read_at >= FRESH_S and self._lock.acquire(blocking=False):
            try:
                with suppress(Unavailable):  # then the ids of the last reading stay
                    found = marked_patches(self._connection)
                    if found != self._known:
                        self._known = found
            finally:
                self._read_at = time.monotonic()
                self._lock.release()
        return self._known

    def refresh(self) -> None:
        """Read the ids at the next call, because a mark has changed."""
        self._read_at = -FRESH_S
