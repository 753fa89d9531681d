"""The shuffled order of one epoch's quadruples, for both the graph and pack files.

The seed and the epoch determine the order of the buckets and the order of the rows in each bucket. A bucket is chosen
by a hash, so it is a random sample, and the shuffle holds only a few buckets in memory. Rows are sorted before they are
shuffled, so the same set of rows gives the same sequence from either source.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from graph.records import Quadruple

Rows = TypeVar("Rows", bound=Sized)

_AHEAD = 2  # buckets that are read in advance
_IDENTITY = attrgetter("a", "b", "a_prime", "b_prime")


def shuffled(
    read_bucket: Callable[[int], Sequence[Quadruple]],
    sizes: Sequence[int],
    seed: int,
    epoch: int = 0,
    cursor: int = 0,
) -> Iterator[list[Quadruple]]:
    """Yield the quadruples of one epoch, bucket by bucket, without the first `cursor`; see `shuffled_buckets`."""

    def read_sorted(bucket: int) -> list[Quadruple]:
        return sorted(read_bucket(bucket), key=_IDENTITY)

    for rows, order in shuffled_buckets(read_sorted, sizes, seed, epoch, cursor):
        yield [rows[index] for index in order.tolist()]


def shuffled_buckets(
    read_sorted: Callable[[int], Rows], sizes: Sequence[int], seed: int, epoch: int = 0, cursor: int = 0
) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """Yield the rows of each bucket and their positions (B,) in the order of one epoch.

    Args:
        read_sorted: returns the rows of a bucket, sorted by (a, b, a', b'). It is called in a thread, in advance.
        sizes: number of rows in each bucket. Buckets before the cursor and empty buckets are not read.
        seed: seed of the shuffle.
        epoch: number of the pass over the data.
        cursor: number of rows to skip at the beginning of the sequence.
    """
    order: list[int] = np.random.default_rng([seed, epoch]).permutation(len(sizes)).tolist()
    wanted = []  # (bucket, number of its rows before the cursor)
    skip = cursor
    for bucket in order:
        if skip < sizes[bucket]:
            wanted.append((bucket, skip))
        skip = max(0, skip - sizes[bucket])
    for (bucket, seen), rows in zip(wanted, _read_ahead(read_sorted, [bucket for bucket, _ in wanted]), strict=True):
        yield rows, np.random.default_rng([seed, epoch, bucket]).permutation(len(rows))[seen:]


def _read_ahead(read: Callable[[int], Rows], buckets: Sequence[int]) -> Iterator[Rows]:
    with ThreadPoolExecutor(_AHEAD, "quadruples") as pool:
        coming: deque[Future[Rows]] = deque()
        for bucket in buckets:
            coming.append(pool.submit(read, bucket))
            if len(coming) > _AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
