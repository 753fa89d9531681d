"""Buckets of quadruples in, one epoch's shuffled sequence out: a pure function that graph and pack file share.

The seed and the epoch order the buckets, and the rows inside each; a bucket is a random sample already (its number is
a hash), so the whole is a shuffle that holds a few buckets at most. Where a bucket comes from does not matter: its
rows are sorted first, so the same set gives the same sequence. The next buckets are read while one is worked on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter

import numpy as np

from graph.records import Quadruple

_AHEAD = 2  # buckets being read while one is handed out
_IDENTITY = attrgetter("a", "b", "a_prime", "b_prime")


def shuffled(
    read_bucket: Callable[[int], Sequence[Quadruple]],
    sizes: Sequence[int],
    seed: int,
    epoch: int = 0,
    cursor: int = 0,
) -> Iterator[list[Quadruple]]:
    """Yield the quadruples of one epoch, bucket by bucket, each once, without the first `cursor` of the sequence.

    `sizes` tells how many rows each bucket holds, so that skipping reads nothing: what was seen before a cursor costs
    no query. Empty buckets are not read.
    """
    order: list[int] = np.random.default_rng([seed, epoch]).permutation(len(sizes)).tolist()
    wanted = []  # buckets, and how many rows of each were seen before the cursor
    skip = cursor
    for bucket in order:
        if skip < sizes[bucket]:
            wanted.append((bucket, skip))
        skip = max(0, skip - sizes[bucket])
    for (bucket, seen), found in zip(wanted, _read_ahead(read_bucket, [bucket for bucket, _ in wanted]), strict=True):
        rows = sorted(found, key=_IDENTITY)
        inside = np.random.default_rng([seed, epoch, bucket]).permutation(len(rows))
        yield [rows[index] for index in inside[seen:].tolist()]


def _read_ahead(
    read_bucket: Callable[[int], Sequence[Quadruple]], buckets: Sequence[int]
) -> Iterator[Sequence[Quadruple]]:
    with ThreadPoolExecutor(_AHEAD, "quadruples") as pool:
        coming: deque[Future[Sequence[Quadruple]]] = deque()
        for bucket in buckets:
            coming.append(pool.submit(read_bucket, bucket))
            if len(coming) > _AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
