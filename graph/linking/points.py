"""The two operations of K-means on its vectors: find the nearest centroids, and update the sums of the clusters.

Vectors are normalised to length 1; zero vectors stay zero. `NumpyPoints` converts float16 block by block, so it never
allocates an array as large as the data. `training.assignment` implements the same operations in torch, in bf16 and on
any device. `parents.train_centroids` accepts either.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graph.linking.features import lengths

_BLOCK = 4096  # rows converted to float32 at a time: 75 MB of pool5


class Points(Protocol):
    """The (N, D) vectors of one K-means run."""

    def assign(self, centroids: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return for each vector its nearest centroid (N,) and the squared distance to it (N,)."""

    def move(self, sums: NDArray[np.float32], old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Where `old` and `new` differ, subtract the vector from `sums[old]` and add it to `sums[new]`; -1: none."""


MakePoints = Callable[[NDArray[Any]], Points]


class NumpyPoints:
    """Points in NumPy: float32 matrix products of blocks of the float16 (or float32) vectors."""

    def __init__(self, features: NDArray[Any]) -> None:
        """Take (N, D) vectors, which may be a memory map."""
        self._features = features
        self._buffer = np.empty((min(_BLOCK, len(features)), features.shape[1]), np.float32)
        self._scales: NDArray[np.float32] | None = None  # 1 / length of each vector, 0 for zero vectors

    def assign(self, centroids: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return for each vector its nearest centroid (N,) and the squared distance to it (N,)."""
        count = len(self._features)
        labels, best = np.empty(count, np.int32), np.empty(count, np.float32)
        columns = np.ascontiguousarray(centroids.T)
        half_norms = 0.5 * np.einsum("kd,kd->k", centroids, centroids)
        scales = np.empty(count, np.float32) if self._scales is None else self._scales
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            block = self._block(slice(start, stop), stop - start)
            if self._scales is None:
                scales[start:stop] = _one_over(lengths(block))
            scores = block @ columns
            scores *= scales[start:stop, None]
            scores -= half_norms
            labels[start:stop] = scores.argmax(axis=1)
            best[start:stop] = scores[np.arange(stop - start), labels[start:stop]]
        self._scales = scales
        return labels, np.maximum((scales > 0) - 2 * best, 0)

    def move(self, sums: NDArray[np.float32], old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Where `old` and `new` differ, subtract the vector from `sums[old]` and add it to `sums[new]`; -1: none."""
        changed = np.flatnonzero(old != new)
        if self._scales is None:
            raise RuntimeError("call assign before move")
        for start in range(0, len(changed), _BLOCK):
            rows = changed[start : start + _BLOCK]
            block = self._block(rows, len(rows))
            block *= self._scales[rows, None]
            # row by row is the fastest method in NumPy; sums over sorted labels would copy the block once more
            for vector, source, target in zip(block, old[rows].tolist(), new[rows].tolist(), strict=True):
                if source >= 0:
                    sums[source] -= vector
                if target >= 0:
                    sums[target] += vector

    def _block(self, rows: slice | NDArray[np.int64], count: int) -> NDArray[np.float32]:
        """Return the rows as float32 in a buffer that the next call overwrites; allocating memory is slower."""
        block = self._buffer[:count]
        np.copyto(block, self._features[rows])
        return block


def _one_over(lengths: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(lengths > 0, 1 / np.maximum(lengths, 1e-12), 0).astype(np.float32)
