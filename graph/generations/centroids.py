"""The centroids of a generation in a shard, so that later videos can join its parents.

centroids/<generation>.parquet      id, vector (float32): one row per K-means cluster. The id is the parent's number,
                                    -1 for a dropped cluster, or "mean" for the mean that was removed from the vectors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.errors import NotFound
from graph.linking.run import Linking
from graph.shards import Shards

FOLDER = "centroids"
_MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Centroids:
    """The K-means clusters of a generation."""

    vectors: NDArray[np.float32]  # (K, D)
    numbers: NDArray[np.int32]  # (K,) parent of each cluster, -1 if it was dropped
    mean: NDArray[np.float32] | None  # (D,) mean of the features of length 1; None if it was not removed


def write_centroids(shards: Shards, generation: str, linking: Linking) -> None:
    """Write the K centroids of a linking, their parents' numbers, and the mean."""
    names, vectors = [str(number) for number in linking.parent_numbers.tolist()], linking.centroids
    if linking.mean is not None:
        names, vectors = [*names, _MEAN], np.concatenate([vectors, linking.mean[None]])
    shards.write_vectors(f"{FOLDER}/{generation}", names, vectors)


def has_centroids(shards: Shards, generation: str) -> bool:
    """Return whether the centroids of a generation exist, so that videos can join it."""
    return shards.exists(f"{FOLDER}/{generation}")


def read_centroids(shards: Shards, generation: str) -> Centroids:
    """Read the centroids of a generation; raises `NotFound`."""
    if not has_centroids(shards, generation):
        raise NotFound(
            f"The centroids of generation {generation} are missing. Link all videos again instead of joining."
        )
    names, vectors = shards.read_vectors(f"{FOLDER}/{generation}")
    vectors = vectors.copy()  # Arrow's arrays are read-only, and torch warns about those
    mean = vectors[names.index(_MEAN)] if _MEAN in names else None
    clusters = [row for row, name in enumerate(names) if name != _MEAN]
    return Centroids(vectors[clusters], np.array([int(names[row]) for row in clusters], np.int32), mean)


def forget_centroids(shards: Shards, generation: str) -> None:
    """Delete the centroids of a deleted generation."""
    shards.delete(f"{FOLDER}/{generation}")
