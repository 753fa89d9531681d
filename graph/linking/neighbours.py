"""Nearest neighbours within a parent, without samples of the same video.

An inter-instance edge joins different objects, but two windows of one clip mostly show the same object (29–36 % of the
edges in a prototype). Two boxes that do not touch in the same frame are two objects, so these pairs stay allowed. Ties
are ordered by row number, so the result depends only on the data.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.features import of_length_one

_COLUMNS = 4096
_BLOCK_KEYS = 1 << 23  # keys in memory at a time: 64 MB
# Similarities are rounded to steps of about 10⁻⁶; smaller differences come from float16 and the order of summation.
SIMILARITY_STEPS = float(1 << 20)
ROW_BITS = 24  # a key is the rounded similarity, then the complement of the row number: one sort orders by both
_LOWEST = np.int64(np.iinfo(np.int64).min)

Nearest = Callable[[NDArray[Any], NDArray[np.int64], NDArray[np.int64], int], NDArray[np.int32]]


def nearest(
    features: NDArray[Any], owners: NDArray[np.int64], allowed: NDArray[np.int64], count: int
) -> NDArray[np.int32]:
    """Return (N, count) row numbers of each sample's nearest others by cosine, nearest first, padded with -1.

    `features` (N, D) may have any length, because normalising float16 vectors would lose precision. Samples with equal
    `owners` (N,) are excluded from each other's lists, except for the pairs of rows in `allowed` (M, 2).
    """
    size = len(features)
    lists = np.full((size, count), -1, np.int32)
    step = max(1, _BLOCK_KEYS // max(size, 1))
    tie = np.int64((1 << ROW_BITS) - 1) - np.arange(size, dtype=np.int64)
    for start in range(0, size, step):
        rows = np.arange(start, min(start + step, size))
        keys = _similarities(features[start : start + step], features)
        keys = (np.rint(keys * SIMILARITY_STEPS).astype(np.int64) << ROW_BITS) + tie
        hidden = owners[rows, None] == owners[None, :]
        for first, second in ((0, 1), (1, 0)):
            here = allowed[(allowed[:, first] >= start) & (allowed[:, first] < start + step)]
            hidden[here[:, first] - start, here[:, second]] = False
        hidden[rows - start, rows] = True
        keys[hidden] = _LOWEST
        kept = min(count, size)
        best = np.sort(np.partition(keys, size - kept, axis=1)[:, size - kept :], axis=1)[:, ::-1]
        column = (np.int64((1 << ROW_BITS) - 1) - (best & ((1 << ROW_BITS) - 1))).astype(np.int32)
        lists[rows, :kept] = np.where(best == _LOWEST, -1, column)
    return lists


def _similarities(block: NDArray[Any], features: NDArray[Any]) -> NDArray[np.float32]:
    """Return the (B, N) cosines, computed in float32 by blocks of columns."""
    left = of_length_one(block)
    result = np.empty((len(block), len(features)), np.float32)
    for start in range(0, len(features), _COLUMNS):
        right = of_length_one(features[start : start + _COLUMNS])
        np.matmul(left, right.T, out=result[:, start : start + _COLUMNS])
    return result


def together_on_screen(
    videos: Sequence[str], frames: Sequence[int] | NDArray[np.int64], boxes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the (M, 2) pairs of rows of one frame of one video whose boxes (N, 4: x, y, w, h) do not overlap."""
    by_frame: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(videos, frames, strict=True)):
        by_frame[key].append(row)
    pairs = [pair for rows in by_frame.values() for pair in combinations(rows, 2) if _apart(*boxes[list(pair)])]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _apart(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Return whether two boxes (x, y, w, h) have no pixel in common."""
    return bool(np.any(a[:2] + a[2:] <= b[:2]) or np.any(b[:2] + b[2:] <= a[:2]))
