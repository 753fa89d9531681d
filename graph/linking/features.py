"""Feature vectors of track starts: reading them from shards, normalising them, and removing their mean.

Vectors are normalised to length 1, so Euclidean K-means and nearest neighbours use the cosine distance of section 4.2.
Matrices store the vectors in float16 with any length; every computation normalises them in float32.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput, NotFound, StorageError
from graph.shards import Shards

_ROWS = 1024  # rows normalised at a time
_PIECE = 256  # numbers summed in float32 before they are added to a float64
IN_MEMORY = 1 << 28  # bytes; a larger matrix is a memory-mapped file


def read_features(
    shards: Shards, model: str, ids: Sequence[str], videos: Sequence[str], width: int = 0
) -> NDArray[np.float16]:
    """Read the (N, D) vectors of patches that are grouped by video, with one shard in memory at a time.

    `width` is D, if it is known. Raises `NotFound` when a video has no features of `model`, `StorageError` when a shard
    is truncated or lacks a patch, and `InvalidInput` when two shards belong to different models.
    """
    matrix = np.empty((0, width), np.float16)
    start = 0
    while start < len(ids):
        video = videos[start]
        stop = start
        while stop < len(ids) and videos[stop] == video:
            stop += 1
        vectors = _read_video(shards, model, video, ids[start:stop])
        if start == 0:
            matrix = np.empty((len(ids), width or vectors.shape[1]), np.float16)
        if vectors.shape[1] != matrix.shape[1]:
            raise InvalidInput(
                f"{shards.path(f'features/{model}/{video}')} contains vectors of {vectors.shape[1]} numbers, others "
                f"of {matrix.shape[1]}: features of two models. Delete features/{model} and compute them again."
            )
        matrix[start:stop] = vectors
        start = stop
    return matrix


def _read_video(shards: Shards, model: str, video: str, ids: Sequence[str]) -> NDArray[Any]:
    name = f"features/{model}/{video}"
    if not shards.exists(name):
        raise NotFound(f"There are no features of model {model} for video {video}. Compute them, then link.")
    stored, vectors = shards.read_vectors(name)
    place = {patch: position for position, patch in enumerate(stored)}
    missing = [patch for patch in ids if patch not in place]
    if missing:
        raise StorageError(
            f"{shards.path(name)} lacks patch {missing[0]} ({len(missing)} in all). Delete it and compute it again."
        )
    return vectors[[place[patch] for patch in ids]]


def check_finite(vectors: NDArray[Any], ids: Sequence[str]) -> None:
    """Raise `InvalidInput`, which names the first patch, if a vector contains NaN or infinity."""
    if vectors.dtype == np.float16:  # all exponent bits set; many times faster than `isfinite`
        broken = ((np.ascontiguousarray(vectors).view(np.uint16) & 0x7C00) == 0x7C00).any(axis=1)
    else:
        broken = ~np.isfinite(vectors).all(axis=1)
    rows = np.flatnonzero(broken)
    if len(rows):
        raise InvalidInput(
            f"The features of patch {ids[rows[0]]} contain NaN or infinity ({len(rows)} patches in this part). "
            "Compute the features again with another model."
        )


def lengths(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the lengths (B,) of float32 vectors (B, D); partial sums are added in float64."""
    squares = np.zeros(len(values))
    for start in range(0, values.shape[1], _PIECE):
        piece = values[:, start : start + _PIECE]
        squares += np.einsum("nd,nd->n", piece, piece)
    return np.sqrt(squares)


def of_length_one(block: NDArray[Any]) -> NDArray[np.float32]:
    """Return (B, D) vectors in float32, normalised to length 1; zero vectors stay zero."""
    values = block.astype(np.float32)
    values /= np.maximum(lengths(values), 1e-12)[:, None]
    return values


def mean_of(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean (D,) of (N, D) vectors, each normalised to length 1."""
    total = np.zeros(vectors.shape[1])
    for start in range(0, len(vectors), _ROWS):
        total += of_length_one(vectors[start : start + _ROWS]).sum(axis=0, dtype=np.float64)
    return (total / max(len(vectors), 1)).astype(np.float32)


def without_mean(vectors: NDArray[Any], mean: NDArray[np.float32] | None) -> NDArray[Any]:
    """Return (N, D) vectors in float16: normalised to length 1, then minus `mean` (D,); unchanged if `mean` is None."""
    if mean is None:
        return vectors
    result = np.empty(vectors.shape, np.float16)
    for start in range(0, len(vectors), _ROWS):
        result[start : start + _ROWS] = of_length_one(vectors[start : start + _ROWS]) - mean
    return result


def allocate(shape: tuple[int, int], scratch: Path | None) -> NDArray[np.float16]:
    """Return an uninitialised float16 matrix: in memory, or in a deleted file below `scratch` if it is large.

    Raises `StorageError` when the disk is full.
    """
    if scratch is None or 2 * shape[0] * shape[1] <= IN_MEMORY:
        return np.empty(shape, np.float16)
    path = scratch / "sample.f16"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:  # allocated, because writing to a sparse map raises SIGBUS on a full disk
            os.posix_fallocate(file.fileno(), 0, 2 * shape[0] * shape[1])
        matrix = np.memmap(path, np.float16, "r+", shape=shape)
    except OSError as error:
        raise StorageError(f"{path} could not be created: {error.strerror}. Free some space and link again.") from error
    finally:
        path.unlink(missing_ok=True)  # the map keeps the data alive, and a killed run leaves no file
    return matrix
