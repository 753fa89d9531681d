"""Vectors in; their nearest centroids, and sums of the vectors of each centroid, out: all that K-means needs of data.

`NumpyPoints` works block by block from float16, so that nothing as large as the data is ever made of it.
`training.assignment` has the same on torch, in bf16 and on any device; `parents.cluster` takes either.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096  # rows turned to float32 at a time: 75 MB of pool5


class Points(Protocol):
    """The (N, D) vectors of one K-means."""

    def assign(self, centroids: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return for each vector its nearest centroid (N,) and the squared distance to it (N,)."""

    def move(self, sums: NDArray[np.float32], old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Take every vector out of `sums[old]` and add it to `sums[new]` where the two differ; -1 is no centroid."""


MakePoints = Callable[[NDArray[Any]], Points]


class NumpyPoints:
    """Points in NumPy: float32 matrix products of blocks of the float16 (or float32) vectors."""

    def __init__(self, features: NDArray[Any]) -> None:
        """Take (N, D) vectors, a memory map if they are many."""
        self._features = features

    def assign(self, centroids: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return for each vector its nearest centroid (N,) and the squared distance to it (N,)."""
        count = len(self._features)
        labels, distances = np.empty(count, np.int32), np.empty(count, np.float32)
        columns = np.ascontiguousarray(centroids.T)
        half_norms = 0.5 * np.einsum("kd,kd->k", centroids, centroids)
        for start in range(0, count, _BLOCK):
            block = self._features[start : start + _BLOCK].astype(np.float32)
            scores = block @ columns
            scores -= half_norms
            best = scores.argmax(axis=1)
            norms = np.einsum("nd,nd->n", block, block)
            labels[start : start + _BLOCK] = best
            distances[start : start + _BLOCK] = norms - 2 * scores[np.arange(len(best)), best]
        return labels, np.maximum(distances, 0)

    def move(self, sums: NDArray[np.float32], old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Take every vector out of `sums[old]` and add it to `sums[new]` where the two differ; -1 is no centroid."""
        changed = np.flatnonzero(old != new)
        for start in range(0, len(changed), _BLOCK):
            rows = changed[start : start + _BLOCK]
            block = self._features[rows].astype(np.float32)
            _add(sums, new[rows], block, 1.0)
            _add(sums, old[rows], block, -1.0)


def _add(sums: NDArray[np.float32], labels: NDArray[np.int32], block: NDArray[np.float32], sign: float) -> None:
    """Add `sign` times each row of `block` to the row of `sums` that its label names."""
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    if not len(order):
        return
    names, starts = np.unique(labels[order], return_index=True)
    sums[names] += sign * np.add.reduceat(block[order], starts, axis=0)
