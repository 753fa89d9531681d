"""The encoders of the models that requests name, loaded at their first use. The least recently used one is closed."""

import threading
from collections.abc import Callable

from cachetools import LRUCache

from api.http.micro_batches import MicroBatches, Pictures, Vectors

KEPT = 4  # encoders in memory; a VGG16 with an embedding takes 150 MB in float32

Encode = Callable[[Pictures], Vectors]


class Encoders:
    """At most `KEPT` encoders, each with its own micro-batches. Threads may share it."""

    def __init__(self, load: Callable[[str], Encode], kept: int = KEPT) -> None:
        """Load a model's encoder by `load`, which receives the model's id."""
        self._load = load
        self._open: LRUCache[str, MicroBatches] = LRUCache(kept)
        self._lock = threading.Lock()

    def get(self, model: str) -> MicroBatches:
        """Return a model's encoder; raises what `load` raises.

        If it is closed in the meantime, the caller can still use it.
        """
        with self._lock:
            known = self._open.get(model)
            if known is None:
                encode = self._load(model)
                if len(self._open) == self._open.maxsize:
                    self._open.popitem()[1].close()
                known = self._open[model] = MicroBatches(encode)
            return known

    def close(self) -> None:
        """Close all encoders, and wait until their threads have ended."""
        with self._lock:
            closing = list(self._open.values())
            self._open.clear()
        for batches in closing:
            batches.close()
        for batches in closing:
            batches.join()
