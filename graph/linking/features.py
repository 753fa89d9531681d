"""Stored pool5 vectors in, one float16 matrix of rows of length 1 in the order of patch ids out.

Of length 1, because then Euclidean K-means and nearest neighbours follow the cosine distance of section 4.2. A matrix
too large for memory is a memory-mapped file in `scratch`, written shard by shard.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput, NotFound, StorageError
from graph.records import Patch, Progress, no_progress
from graph.shards import Shards

_BLOCK = 4096
_IN_MEMORY = 4 << 30  # bytes; a larger matrix goes to a file when there is a place for one


def canonical(patches: Sequence[Patch]) -> list[Patch]:
    """Return the starts of tracks in the order of their ids: linking's result depends on the set, not on its order."""
    return sorted((patch for patch in patches if patch.role == "start"), key=lambda patch: patch.id)


def load_features(
    shards: Shards,
    model: str,
    patches: Sequence[Patch],
    *,
    scratch: Path | None = None,
    progress: Progress = no_progress,
) -> tuple[NDArray[np.float16], list[Patch]]:
    """Read the vectors of all starts among `patches` as (N, D) normalised float16, and return those starts in order.

    Raises `NotFound` where there are no features of `model` for a video, `StorageError` where a shard is cut short or
    lacks a patch, `InvalidInput` where two shards are not of the same model or a vector holds NaN.
    """
    ordered = canonical(patches)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, patch in enumerate(ordered):
        rows_of[patch.video_id].append(row)
    matrix: NDArray[np.float16] | None = None
    for done, (video, rows) in enumerate(sorted(rows_of.items())):
        progress("features", done, len(rows_of), "videos")
        name = f"features/{model}/{video}"
        if not shards.exists(name):
            raise NotFound(f"There are no features of model {model} for video {video}. Compute them, then link.")
        ids, vectors = shards.read_vectors(name)
        if matrix is None:
            matrix = _allocate((len(ordered), vectors.shape[1]), scratch)
        if vectors.shape[1] != matrix.shape[1]:
            raise InvalidInput(
                f"{shards.path(name)} holds vectors of {vectors.shape[1]} numbers, others of {matrix.shape[1]}: "
                f"features of two models. Delete features/{model} and compute them again."
            )
        place = {patch_id: position for position, patch_id in enumerate(ids)}
        missing = [ordered[row].id for row in rows if ordered[row].id not in place]
        if missing:
            raise StorageError(
                f"{shards.path(name)} lacks patch {missing[0]} ({len(missing)} in all). Delete it and compute it again."
            )
        chosen = vectors[[place[ordered[row].id] for row in rows]]
        matrix[rows] = _of_length_one(chosen, [ordered[row].id for row in rows])
    progress("features", len(rows_of), len(rows_of), "videos")
    if matrix is None:
        raise InvalidInput("There are no patches to link. Ingest videos first.")
    return matrix, ordered


def normalise(
    features: NDArray[Any], rows: NDArray[np.int64], ids: Sequence[str], scratch: Path | None = None
) -> NDArray[np.float16]:
    """Return `features[rows]` (N, D) as float16 rows of length 1 (zero rows stay zero).

    Raises `InvalidInput` that names the first patch whose vector holds NaN or infinity.
    """
    result = _allocate((len(rows), features.shape[1]), scratch)
    for start in range(0, len(rows), _BLOCK):
        result[start : start + _BLOCK] = _of_length_one(
            features[rows[start : start + _BLOCK]], ids[start : start + _BLOCK]
        )
    return result


def _of_length_one(block: NDArray[Any], ids: Sequence[str]) -> NDArray[np.float16]:
    values = block.astype(np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", values, values, dtype=np.float64))
    broken = np.flatnonzero(~np.isfinite(norms))
    if len(broken):
        raise InvalidInput(
            f"The features of patch {ids[broken[0]]} hold NaN or infinity ({len(broken)} patches in this block). "
            "Compute the features again with a sound model."
        )
    values /= np.maximum(norms, 1e-12)[:, None]
    return values.astype(np.float16)


def _allocate(shape: tuple[int, int], scratch: Path | None) -> NDArray[np.float16]:
    if scratch is None or 2 * shape[0] * shape[1] <= _IN_MEMORY:
        return np.empty(shape, np.float16)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "features.f16"
    try:
        matrix = np.memmap(path, np.float16, "w+", shape=shape)
    except OSError as error:
        raise StorageError(f"{path} could not be made: {error.strerror}. Free some space and link again.") from error
    path.unlink()  # the map keeps it until it is gone, and a killed run leaves nothing behind
    return matrix
