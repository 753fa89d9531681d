"""Buckets of quadruples in, one epoch's shuffled sequence out: a pure function that graph and pack file share.

The seed and the epoch order the buckets, and the rows inside each; a bucket is a random sample already (its number is a
hash), so the whole is a shuffle that never holds more than one bucket. Where a bucket comes from does not matter: its
rows are sorted first, so the same set gives the same sequence.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from graph.records import Quadruple


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
    order = np.random.default_rng([seed, epoch]).permutation(len(sizes))
    skip = cursor
    for bucket in order.tolist():
        if sizes[bucket] == 0 or skip >= sizes[bucket]:
            skip -= sizes[bucket]
            continue
        rows = sorted(read_bucket(bucket), key=_identity)
        inside = np.random.default_rng([seed, epoch, bucket]).permutation(len(rows))
        yield [rows[index] for index in inside[skip:].tolist()]
        skip = 0


def _identity(row: Quadruple) -> tuple[str, str, str, str]:
    return row.a, row.b, row.a_prime, row.b_prime
