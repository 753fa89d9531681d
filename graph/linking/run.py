"""One linking run: parent clusters, child clusters, inter-instance edges and a quality report (section 4.2).

This module defines the steps. A `Vectors` object stores the vectors and runs the computation: `in_memory.InMemory` for
a matrix, and `spread.Spread` for shards, whose parts several machines can compute. Both give bit-identical results.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.bounds import check_bounds
from graph.linking.children import Children, count_pairs, distance_ceiling, within, without_pairs
from graph.linking.features import mean_of, without_mean
from graph.linking.in_memory import InMemory
from graph.linking.neighbours import Nearest, nearest
from graph.linking.parameters import LinkParameters
from graph.linking.parents import Parents, keep_large, sample_rows, train_centroids
from graph.linking.points import MakePoints, NumpyPoints
from graph.linking.quality import distance_across, quality_report
from graph.linking.track_starts import TrackStarts, track_starts_of
from graph.records import InterInstance, Patch, Progress, no_progress


@dataclass(frozen=True, slots=True)
class Linking:
    """The result of linking. A row number is the position of a track start in `starts`, which is sorted by id."""

    starts: TrackStarts
    parents: NDArray[np.int32]  # (N,) parent of each row, -1 if its cluster was dropped
    parent_sizes: NDArray[np.int64]  # (P,)
    mean: NDArray[np.float32] | None  # (D,) mean that was subtracted from the vectors; None: no mean was subtracted
    centroids: NDArray[np.float32]  # (K, D) of all K-means clusters, after subtracting the mean
    parent_numbers: NDArray[np.int32]  # (K,) parent of each K-means cluster, -1 if it was dropped
    groups: NDArray[np.int32]  # (G, group) rows of each child, ascending
    pairs: NDArray[np.int32]  # (E, 2) rows of each inter-instance edge, smaller first
    distances: NDArray[np.float64]  # (E,) 1 - cosine
    parameters: LinkParameters  # resolved
    quality: dict[str, Any]

    @property
    def patch_ids(self) -> list[str]:
        """The id of each row."""
        return self.starts.ids

    @property
    def video_ids(self) -> list[str]:
        """The video of each row."""
        return self.starts.videos

    @property
    def edges(self) -> list[InterInstance]:
        """The inter-instance edges as records, smaller id first."""
        return [
            InterInstance(self.patch_ids[a], self.patch_ids[b], float(distance))
            for (a, b), distance in zip(self.pairs.tolist(), self.distances, strict=True)
        ]

    def digest(self) -> str:
        """Return a hash of patches, parents and children: 16 hexadecimal digits."""
        state = blake2b(digest_size=8)
        state.update("\n".join(self.patch_ids).encode())
        for array in (self.parents, self.groups, self.pairs):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


class Vectors(Protocol):
    """Access to the (N, D) vectors of the track starts, and the computations on them."""

    def sample(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the (R, D) vectors of these rows (R,)."""

    def assign(
        self, centroids: NDArray[np.float32], mean: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return each start's nearest centroid (N,) and squared distance to it (N,), after subtracting the mean."""

    def children(self, parents: Parents) -> Children:
        """Return the children of all parents, after subtracting the mean given to `assign`."""


def link(
    features: NDArray[Any],
    patches: Sequence[Patch],
    parameters: LinkParameters,
    assign: MakePoints = NumpyPoints,
    search: Nearest = nearest,
    *,
    reencodings: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
) -> Linking:
    """Link the track starts among N patches by their features (N, D), one row per patch (section 4.2).

    `reencodings` maps a video to the first of its re-encodings (see `reencodings.py`). `assign` and `search` do the
    arithmetic; the defaults use NumPy, and `training.assignment` uses torch. Raises `InvalidInput` for too few patches,
    an invalid parameter or NaN.
    """
    if features.ndim != 2 or len(features) != len(patches):
        raise InvalidInput(f"{len(patches)} patches need {len(patches)} vectors, but features have {features.shape}.")
    starts, rows = track_starts_of(patches, reencodings)
    resolved = parameters.resolve(len(starts))
    check_bounds(resolved, len(starts))
    vectors = InMemory(features[rows], starts, resolved, assign, search, progress)
    return link_vectors(starts, resolved, vectors, assign, progress)


def link_vectors(
    starts: TrackStarts,
    parameters: LinkParameters,
    vectors: Vectors,
    assign: MakePoints,
    progress: Progress = no_progress,
    rejected: Collection[tuple[str, str]] = (),
) -> Linking:
    """Link track starts by their vectors, without the `rejected` pairs of ids; `parameters` are resolved.

    Raises as `vectors` does.
    """
    k = parameters.parents
    rows = sample_rows(len(starts), parameters.sample_per_parent * k, k, parameters.seed)
    sample = vectors.sample(rows)
    mean = mean_of(sample) if parameters.remove_mean else None
    sample = without_mean(sample, mean)
    centroids = train_centroids(
        sample, k, parameters.seed, iterations=parameters.iterations, assign=assign, progress=progress
    )
    labels, distances = vectors.assign(centroids, mean)
    parents = keep_large(labels, k, parameters.smallest)
    across = distance_across(sample, parents.labels[rows], parameters.seed)
    del sample
    refused = rejected_rows(starts, rejected)
    found_again = vectors.children(parents)
    every = without_pairs(found_again, len(starts), refused)
    ceiling = distance_ceiling(every, len(starts), parameters.linked_share)
    found = within(every, len(starts), ceiling)
    progress("quality", 0, 1, "reports")
    quality = quality_report(starts, parents.labels, parents.dropped, found, across)
    quality["distance_ceiling"] = ceiling
    quality["rejected_before"] = count_pairs(found_again, ceiling, len(starts), refused)
    quality["objective"] = float(distances.mean(dtype=np.float64))
    return Linking(
        starts,
        parents.labels,
        parents.sizes,
        mean,
        centroids,
        parents.numbers,
        found.groups,
        found.pairs,
        found.distances,
        parameters,
        quality,
    )


def rejected_rows(starts: TrackStarts, rejected: Collection[tuple[str, str]]) -> NDArray[np.int64]:
    """Return the (R, 2) rows, smaller first, of the pairs of ids whose patches are both among the starts."""
    row = {patch: number for number, patch in enumerate(starts.ids)} if rejected else {}
    pairs = [sorted((row[a], row[b])) for a, b in rejected if a in row and b in row]
    return np.array(pairs, np.int64).reshape(-1, 2)
