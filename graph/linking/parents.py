"""Normalised vectors in, parent clusters out: K-means, then the small clusters dropped (section 4.2, first stage).

Lloyd's iterations from K seeded vectors. Between two iterations only few vectors change their centroid, so the sums are
carried over and only those are moved. A centroid that lost all its vectors gets half of the most spread-out cluster.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.points import MakePoints, NumpyPoints
from graph.records import Progress, no_progress

_SPLIT = np.float32(1 / 1024)  # how far the two halves of a split cluster are set apart, relative to their values
_SAME = 1e-5  # mean squared distance in a cluster under which its vectors are one and the same in float16
_CONVERGED = 1e-5  # relative gain of the objective under which iterating on changes nothing worth its time


@dataclass(frozen=True, slots=True)
class Parents:
    """The first stage's outcome; parents are numbered 0… in the order of their K-means clusters."""

    labels: NDArray[np.int32]  # (N,) parent of each vector, -1 where its cluster was dropped
    centroids: NDArray[np.float32]  # (P, D) of the parents that stayed
    sizes: NDArray[np.int64]  # (P,)
    dropped: NDArray[np.int64]  # sizes of the clusters dropped as too small, empty ones included
    objective: float  # mean squared distance of all vectors to their centroids

    @property
    def empty(self) -> int:
        """How many clusters ended without any vector."""
        return int(np.count_nonzero(self.dropped == 0))


def cluster(
    features: NDArray[Any],
    k: int,
    smallest: int,
    seed: int,
    *,
    iterations: int = 20,
    sample: int = 0,
    assign: MakePoints = NumpyPoints,
    progress: Progress = no_progress,
) -> Parents:
    """Group (N, D) vectors into at most `k` parents of at least `smallest` vectors.

    K-means is trained on `sample` seeded vectors where there are more (0: on all), then all are assigned.
    `assign` makes the `Points` that do the arithmetic. Raises `InvalidInput` when there are fewer vectors than `k`.
    """
    count = len(features)
    if k < 1 or count < k:
        raise InvalidInput(f"K-means cannot make {k} clusters of {count} vectors. Ask for fewer parents.")
    generator = np.random.default_rng(seed)
    points = assign(features)
    if sample and k <= sample < count:
        rows = np.sort(generator.choice(count, sample, replace=False))
        centroids = _train(features[rows], assign, k, iterations, generator, progress)
    else:
        centroids = _train(features, lambda _: points, k, iterations, generator, progress)
    progress("assigning", 0, count, "patches")
    labels, distances = points.assign(centroids)
    progress("assigning", count, count, "patches")
    return _drop_small(labels, centroids, smallest, float(distances.mean(dtype=np.float64)))


def _train(
    features: NDArray[Any],
    assign: MakePoints,
    k: int,
    iterations: int,
    generator: np.random.Generator,
    progress: Progress,
) -> NDArray[np.float32]:
    points = assign(features)
    first = np.sort(generator.choice(len(features), k, replace=False))
    centroids: NDArray[np.float32] = features[first].astype(np.float32)
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


def _drop_small(labels: NDArray[np.int32], centroids: NDArray[np.float32], smallest: int, objective: float) -> Parents:
    sizes = np.bincount(labels, minlength=len(centroids))
    kept = sizes >= smallest
    renumbered = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return Parents(renumbered[labels], centroids[kept], sizes[kept], sizes[~kept], objective)
