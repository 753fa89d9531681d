"""The patches that people marked as no object, kept in memory for searches."""

import threading

from api.http.remembered import Remembered
from graph.connection import Connection
from graph.errors import Unavailable
from graph.feedback import marked_patches


class MarkedPatches:
    """The ids of the marked patches, read again after `remembered.FRESH_S` seconds. Threads may share it.

    While Neo4j is unavailable, the ids of the last reading are used.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._known: Remembered[frozenset[str]] = Remembered(self._read, frozenset())

    def __call__(self) -> frozenset[str]:
        """Return the ids; the same object as long as nothing changes."""
        if self._lock.acquire(blocking=False):  # while another thread reads, the last ids are good enough
            try:
                self._known.refresh()
            finally:
                self._lock.release()
        return self._known.value

    def refresh(self) -> None:
        """Read the ids at the next call, because a mark has changed."""
        self._known.expire()

    def _read(self) -> frozenset[str]:
        try:
            return marked_patches(self._connection)
        except Unavailable:
            return self._known.value
