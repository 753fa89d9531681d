"""A maker of batches comes in; the same batches, made ahead in a thread, go out, and the time waited for them."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Keeps `depth` batches ready; `waited` is how many seconds `next` had to wait, the measure of a slow loader."""

    def __init__(self, make: Callable[[], Iterator[T]], depth: int = 3) -> None:
        """Start making at once."""
        self.waited = 0.0
        self._ready: queue.Queue[T | BaseException] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make,), name="batches", daemon=True)
        self._thread.start()

    def _run(self, make: Callable[[], Iterator[T]]) -> None:
        try:
            for item in make():
                if not self._put(item):
                    return
        except BaseException as error:
            self._put(error)

    def _put(self, item: T | BaseException) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def next(self) -> T:
        """Return the next batch; raises what making it raised."""
        began = time.perf_counter()
        item = self._ready.get()
        self.waited += time.perf_counter() - began
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Stop making batches and wait until the thread ended."""
        self._stop.set()
        self._thread.join()
