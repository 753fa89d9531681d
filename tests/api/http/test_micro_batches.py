"""Requests that arrive while a batch is encoded are encoded together, and each gets its own rows or the error."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from api.http.encoders import Encoders
from api.http.micro_batches import MOST_TOGETHER, MicroBatches


def pictures(value: int, count: int = 2) -> np.ndarray:
    """Return pictures whose pixels all have one value."""
    return np.full((count, 96, 96, 3), value, np.uint8)


class Slow:
    """An encoder that returns each picture's first pixel, and waits until it is let go."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started, self.released = threading.Event(), threading.Event()

    def __call__(self, given: np.ndarray) -> np.ndarray:
        self.sizes.append(len(given))
        self.started.set()
        assert self.released.wait(30)
        if (given == 66).all(axis=(1, 2, 3)).any():
            raise ValueError("66")
        return given[:, 0, 0, :1].astype(np.float32)


def waiting(batches: MicroBatches, count: int) -> None:
    """Wait until so many requests wait."""
    while len(batches._waiting) < count:
        pass


def test_waiting_requests_share_batches_of_bounded_size() -> None:
    slow = Slow()
    batches = MicroBatches(slow)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batches.encode, pictures(1, 3))
        assert slow.started.wait(30)
        others = [pool.submit(batches.encode, pictures(value, 100)) for value in range(2, 7)]
        waiting(batches, 5)
        slow.released.set()
        assert first.result().tolist() == [[1.0]] * 3
        assert sorted(other.result()[0, 0] for other in others) == [2, 3, 4, 5, 6]
        assert {len(other.result()) for other in others} == {100}
    assert slow.sizes == [3, 200, 200, 100]
    assert max(slow.sizes) <= MOST_TOGETHER


def test_an_error_reaches_every_request_of_its_batch_and_no_other() -> None:
    slow = Slow()
    batches = MicroBatches(slow)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batches.encode, pictures(1))
        assert slow.started.wait(30)
        bad = pool.submit(batches.encode, pictures(66))
        waiting(batches, 1)
        slow.released.set()
        assert first.result().tolist() == [[1.0]] * 2
        with pytest.raises(ValueError, match="66"):
            bad.result()
    assert batches.encode(pictures(4)).tolist() == [[4.0]] * 2


def encoding_threads() -> int:
    return sum(thread.name == "micro-batches" for thread in threading.enumerate())


def test_encoders_in_memory_are_bounded_and_a_closed_one_still_encodes() -> None:
    before = encoding_threads()
    loaded: list[str] = []

    def load(model: str) -> Callable[[np.ndarray], np.ndarray]:
        loaded.append(model)
        return lambda given: given[:, 0, 0, :1].astype(np.float32)

    encoders = Encoders(load, kept=2)
    first = encoders.get("a")
    encoders.get("b")
    assert encoders.get("a") is first
    encoders.get("c")  # closes b
    encoders.get("d")  # closes a
    assert loaded == ["a", "b", "c", "d"]
    first.join()
    assert (first.encode(pictures(7)) == 7).all()
    assert encoders.get("a") is not first
    encoders.close()
    assert encoding_threads() == before
