"""Parent clusters: K-means, then removal of small clusters (section 4.2, first stage).

Lloyd's algorithm starts from K seeded vectors. Few vectors change their centroid between two iterations, so the sums
are kept and only those vectors are moved. An empty centroid receives half of the cluster with the largest spread.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.features import of_length_one
from graph.linking.points import MakePoints, NumpyPoints
from graph.records import Progress, no_progress

_SPLIT = np.float32(1 / 1024)  # how far the two halves of a split cluster are set apart, relative to their values
_SAME = 1e-5  # mean squared distance in a cluster under which its vectors are one and the same in float16
_CONVERGED = 1e-5  # relative gain of the objective under which iterating on changes nothing worth its time


@dataclass(frozen=True, slots=True)
class Parents:
    """The first stage's outcome; parents are numbered 0… in the order of their K-means clusters."""

    labels: NDArray[np.int32]  # (N,) parent of each vector, -1 where its cluster was dropped
    numbers: NDArray[np.int32]  # (K,) parent that each K-means cluster became, -1 where it was dropped
    sizes: NDArray[np.int64]  # (P,)
    dropped: NDArray[np.int64]  # sizes of the clusters dropped as too small, empty ones included

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows of parent 0, then those of parent 1 and so on, ascending in each."""
        order = np.argsort(self.labels, kind="stable")
        return order[len(order) - int(self.sizes.sum()) :]


def sample_rows(count: int, sample: int, k: int, seed: int) -> NDArray[np.int64]:
    """Choose the seeded rows that K-means is trained on: `sample` of `count`, ascending, or all where these are few."""
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
    """Return (K, D) centroids of (S, D) vectors, taken as of length 1, after at most so many of Lloyd's iterations.

    `assign` makes the `Points` that do the arithmetic. Raises `InvalidInput` when there are fewer vectors than `k`.
    """
    if k < 1 or len(features) < k:
        raise InvalidInput(f"K-means cannot make {k} clusters of {len(features)} vectors. Ask for fewer parents.")
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
    """Give empty centroids half of the cluster with the largest `spread`, in place; return how many were given one.

    `spread` (K,) is the sum of squared distances in each cluster: the largest cluster may be copies of one vector.
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
    """Make parents of the clusters (N,) of `k` that have `smallest` vectors or more; the others are dropped."""
    sizes = np.bincount(labels, minlength=k)
    kept = sizes >= smallest
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return Parents(numbers[labels], numbers, sizes[kept], sizes[~kept])
