"""Parent clusters: K-means, then removal of small clusters (section 4.2, first stage).

Lloyd's algorithm starts from K vectors that a seed selects. Few vectors change their centroid in an iteration, so the
sums of all clusters are kept and only these vectors are moved. An empty cluster receives half of the cluster with the
largest spread.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.features import of_length_one
from graph.linking.points import MakePoints, NumpyPoints
from graph.records import Progress, no_progress

_SPLIT = np.float32(1 / 1024)  # relative distance between the two centroids of a split cluster
_SAME = 1e-5  # mean squared distance below which the vectors of a cluster are equal in float16
_CONVERGED = 1e-5  # K-means stops when the objective's relative gain is below this


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents; they are numbered from 0 in the order of their K-means clusters."""

    labels: NDArray[np.int32]  # (N,) parent of each vector, -1 if its cluster was dropped
    numbers: NDArray[np.int32]  # (K,) parent of each K-means cluster, -1 if it was dropped
    sizes: NDArray[np.int64]  # (P,) size of each parent
    dropped: NDArray[np.int64]  # sizes of the dropped clusters, including empty ones

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows sorted by parent and then by row number, without those of dropped clusters."""
        order = np.argsort(self.labels, kind="stable")
        return order[len(order) - int(self.sizes.sum()) :]


def sample_rows(count: int, sample: int, k: int, seed: int) -> NDArray[np.int64]:
    """Return the ascending rows on which K-means is trained: `sample` random ones of `count`, or all if fewer exist."""
    if not k <= sample < count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, sample, replace=False))


def train_centroids(
    features: NDArray[Any],
    k: int,
    seed: int,
    *,
    iterations: int = 20,
    assign: MakePoints = NumpyPoints,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Return (K, D) centroids of (S, D) vectors, which are normalised to length 1, by Lloyd's algorithm.

    `assign` makes the `Points` that do the arithmetic. Raises `InvalidInput` for fewer vectors than `k`.
    """
    if k < 1 or len(features) < k:
        raise InvalidInput(f"K-means cannot make {k} clusters of {len(features)} vectors. Set fewer parents.")
    generator = np.random.default_rng([seed, 1])
    points = assign(features)
    first = np.sort(generator.choice(len(features), k, replace=False))
    centroids = of_length_one(features[first])
    sums = np.zeros_like(centroids)
    old = np.full(len(features), -1, np.int32)
    before = np.inf
    for iteration in range(iterations):
        progress("parents", iteration, iterations, "iterations")
        labels, distances = points.assign(centroids)
        objective = float(distances.mean(dtype=np.float64))
        points.move(sums, old, labels)
        old = labels
        sizes = np.bincount(labels, minlength=k)
        centroids = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
        split = _split_widest(centroids, sizes, np.bincount(labels, weights=distances, minlength=k))
        if not split and before - objective <= _CONVERGED * objective:
            break
        before = objective
    progress("parents", iterations, iterations, "iterations")
    return centroids


def _split_widest(centroids: NDArray[np.float32], sizes: NDArray[np.int64], spread: NDArray[Any]) -> int:
    """Give each empty cluster half of the cluster with the largest `spread`, in place; returns how many were filled.

    `spread` (K,) is the sum of squared distances in each cluster. It is used instead of the size, because the largest
    cluster may consist of copies of one vector.
    """
    spread = spread.copy()
    split = 0
    for index in np.flatnonzero(sizes == 0):
        widest = int(spread.argmax())
        if spread[widest] <= _SAME * sizes[widest]:
            break
        apart = np.where(np.arange(centroids.shape[1]) % 2 == 0, _SPLIT, -_SPLIT)
        centroids[index] = centroids[widest] * (1 + apart)
        centroids[widest] *= 1 - apart
        spread[index] = spread[widest] = spread[widest] / 2
        split += 1
    return split


def keep_large(labels: NDArray[np.int32], k: int, smallest: int) -> Parents:
    """Return the parents: those of the `k` clusters with at least `smallest` vectors; `labels` (N,) are clusters."""
    sizes = np.bincount(labels, minlength=k)
    kept = sizes >= smallest
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return Parents(numbers[labels], numbers, sizes[kept], sizes[~kept])
