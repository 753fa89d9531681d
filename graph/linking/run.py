"""Vectors and patches in, a whole linking out: parents, children, inter-instance edges and the quality report.

Patches are put in the order of their ids first, so the same set gives the same linking however it was ordered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.children import children, pairs_of
from graph.linking.features import normalise
from graph.linking.neighbours import Nearest, nearest
from graph.linking.parameters import LinkParameters
from graph.linking.parents import Parents, cluster
from graph.linking.points import MakePoints, NumpyPoints
from graph.linking.quality import pair_distances, quality_report
from graph.records import InterInstance, Patch, Progress, no_progress


@dataclass(frozen=True, slots=True)
class Linking:
    """What linking found. Rows are the starts of tracks in the order of their ids."""

    patch_ids: list[str]
    video_ids: list[str]  # of each row
    parents: NDArray[np.int32]  # (N,) parent of each row, -1 where its cluster was dropped
    parent_sizes: NDArray[np.int64]  # (P,)
    centroids: NDArray[np.float32]  # (P, D) of the parents
    groups: NDArray[np.int32]  # (G, group) rows of each child, ascending
    pairs: NDArray[np.int64]  # (E, 2) rows of each inter-instance edge, smaller first, once each
    distances: NDArray[np.float32]  # (E,) 1 - cosine
    owners: list[str]  # of each row: its video, or the first of its re-encoded twins
    parameters: LinkParameters  # with the rule's numbers filled in
    quality: dict[str, Any]

    @property
    def edges(self) -> list[InterInstance]:
        """The inter-instance edges as records, smaller id first."""
        return [
            InterInstance(self.patch_ids[a], self.patch_ids[b], float(distance))
            for (a, b), distance in zip(self.pairs.tolist(), self.distances, strict=True)
        ]

    def digest(self) -> str:
        """Name the outcome: 16 hexadecimal digits, the same for the same patches, parents and children."""
        state = blake2b(digest_size=8)
        state.update("\n".join(self.patch_ids).encode())
        for array in (self.parents, self.groups, self.pairs):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


def link(
    features: NDArray[Any],
    patches: Sequence[Patch],
    parameters: LinkParameters,
    assign: MakePoints = NumpyPoints,
    search: Nearest = nearest,
    *,
    twins: Mapping[str, str] | None = None,
    scratch: Path | None = None,
    progress: Progress = no_progress,
) -> Linking:
    """Link the starts among `patches` by their (N, D) `features` (row i belongs to patch i). Section 4.2.

    `twins` names for a video the one it is a re-encoding of (see `twins.py`). `assign` and `search` do the arithmetic,
    here in NumPy; `training.assignment` has both for torch devices. `scratch` is a folder for a matrix that does not
    fit in memory. Raises `InvalidInput` for too few patches, a wrong parameter or NaN.
    """
    if features.ndim != 2 or len(features) != len(patches):
        raise InvalidInput(f"{len(patches)} patches need as many vectors; the features are {features.shape}.")
    rows = sorted((i for i, patch in enumerate(patches) if patch.role == "start"), key=lambda i: patches[i].id)
    starts = [patches[i] for i in rows]
    ids = [patch.id for patch in starts]
    if len(set(ids)) != len(ids):
        raise InvalidInput("A patch was given twice.")
    resolved = parameters.resolve(len(starts))
    progress("normalising", 0, len(starts), "patches")
    matrix = normalise(features, np.array(rows, np.int64), ids, scratch)
    parents = cluster(
        matrix,
        resolved.parents,
        resolved.smallest,
        resolved.seed,
        iterations=resolved.iterations,
        sample=resolved.sample_per_parent * resolved.parents,
        assign=assign,
        progress=progress,
    )
    owners = [(twins or {}).get(patch.video_id, patch.video_id) for patch in starts]
    groups = _all_children(matrix, starts, owners, parents, resolved, search, progress)
    pairs = pairs_of(groups, len(starts))
    distances = pair_distances(matrix, pairs)
    videos = [patch.video_id for patch in starts]
    progress("quality", 0, 1, "reports")
    quality = quality_report(
        matrix, videos, owners, parents.labels, parents.dropped, groups, pairs, distances, resolved.seed
    )
    return Linking(
        ids,
        videos,
        parents.labels,
        parents.sizes,
        parents.centroids,
        groups,
        pairs,
        distances,
        owners,
        resolved,
        quality | {"objective": parents.objective},
    )


def _all_children(
    matrix: NDArray[np.float16],
    starts: Sequence[Patch],
    owners: Sequence[str],
    parents: Parents,
    parameters: LinkParameters,
    search: Nearest,
    progress: Progress,
) -> NDArray[np.int32]:
    """Return (G, group) rows of all children, parent after parent."""
    order = np.argsort(parents.labels, kind="stable")
    members_of = np.split(order, np.searchsorted(parents.labels[order], np.arange(len(parents.sizes) + 1)))[1:-1]
    found = [np.empty((0, parameters.group), np.int64)]
    done = 0
    for members in members_of:
        progress("children", done, int(parents.sizes.sum()), "patches")
        inside = [starts[row] for row in members]
        groups = children(
            matrix[members],
            [patch.video_id for patch in inside],
            [patch.frame for patch in inside],
            np.array([(patch.x, patch.y, patch.w, patch.h) for patch in inside], np.int64).reshape(-1, 4),
            neighbours=parameters.neighbours,
            group=parameters.group,
            exclude_same_video=parameters.exclude_same_video,
            owners=[owners[row] for row in members],
            search=search,
        )
        found.append(members[groups])
        done += len(members)
    progress("children", done, done, "patches")
    return np.concatenate(found).astype(np.int32)
