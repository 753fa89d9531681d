"""Micro-batching: pictures of concurrent requests are encoded in one batch.

Requests that arrive while a batch is being encoded form the next batch. If no batch is being
encoded, a request is encoded at once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

MOST_TOGETHER = 256  # pictures of a batch, unless one request has more

Pictures = NDArray[np.uint8]
Vectors = NDArray[np.float32]


class MicroBatches:
    """Encodes pictures for many threads, one batch at a time."""

    def __init__(self, encode: Callable[[Pictures], Vectors]) -> None:
        """Batch calls of `encode`, which turns (N, 96, 96, 3) into (N, E)."""
        self._encode = encode
        self._waiting: list[tuple[Pictures, Future[Vectors]]] = []
        self._arrival = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run_until_closed, name="micro-batches", daemon=True)
        self._thread.start()

    def encode(self, pictures: Pictures) -> Vectors:
        """Encode (N, 96, 96, 3) uint8 to (N, E); raises what `encode` raises.

        After `close`, requests share no batch.
        """
        own: Future[Vectors] = Future()
        with self._arrival:
            closed = self._closed
            if not closed:
                self._waiting.append((pictures, own))
                self._arrival.notify()
        return self._encode(pictures) if closed else own.result()

    def close(self) -> None:
        """Let the thread end when nothing waits any more."""
        with self._arrival:
            self._closed = True
            self._arrival.notify()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run_until_closed(self) -> None:
        while True:
            with self._arrival:
                self._arrival.wait_for(lambda: bool(self._waiting) or self._closed)
                batch = self._take()
            if not batch:
                return
            self._run(batch)

    def _take(self) -> list[tuple[Pictures, "Future[Vectors]"]]:
        batch: list[tuple[Pictures, Future[Vectors]]] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0][0]) <= MOST_TOGETHER):
            batch.append(self._waiting.pop(0))
            count += len(batch[-1][0])
        return batch

    def _run(self, batch: list[tuple[Pictures, "Future[Vectors]"]]) -> None:
        try:
            vectors = self._encode(np.concatenate([pictures for pictures, _ in batch]))
        except Exception as error:
            for _, waiting in batch:
                waiting.set_exception(error)
            return
        start = 0
        for pictures, waiting in batch:
            waiting.set_result(vectors[start : start + len(pictures)])
            start += len(pictures)
