"""A generation's centroids go into a file beside the vectors and come out, so that later videos can join its parents.

centroids/<generation>.parquet      id (the parent's number, -1 for a cluster that was dropped), vector (float32)
"""

import numpy as np
from numpy.typing import NDArray

from graph.errors import NotFound
from graph.linking.run import Linking
from graph.shards import Shards

FOLDER = "centroids"


def write_centroids(shards: Shards, generation: str, linking: Linking) -> None:
    """Keep the K centroids of a linking, and which parent each became."""
    shards.write_vectors(
        f"{FOLDER}/{generation}", [str(number) for number in linking.parent_numbers.tolist()], linking.centroids
    )


def has_centroids(shards: Shards, generation: str) -> bool:
    """Say whether videos can join this generation."""
    return shards.exists(f"{FOLDER}/{generation}")


def read_centroids(shards: Shards, generation: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the (K, D) centroids and the parent (K,) of each, -1 for none; raises `NotFound`."""
    if not has_centroids(shards, generation):
        raise NotFound(f"The centroids of generation {generation} are not here. Link without --join.")
    numbers, centroids = shards.read_vectors(f"{FOLDER}/{generation}")
    return centroids, np.array([int(number) for number in numbers], np.int32)


def forget_centroids(shards: Shards, generation: str) -> None:
    """Remove the centroids of a generation that is gone."""
    shards.delete(f"{FOLDER}/{generation}")
