"""The samples of one parent in, its children out: groups of 4 that are mutually near (section 4.2, second stage)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.cliques import mutual_groups
from graph.linking.features import of_length_one
from graph.linking.neighbours import Nearest, nearest, together_on_screen
from graph.linking.parameters import LinkParameters
from graph.linking.track_starts import TrackStarts


@dataclass(frozen=True, slots=True)
class Children:
    """Children and the inter-instance edges inside them, by row numbers."""

    groups: NDArray[np.int32]  # (G, group), ascending in each row
    pairs: NDArray[np.int32]  # (E, 2) smaller row first, once each
    distances: NDArray[np.float64]  # (E,) 1 - cosine


def children(
    features: NDArray[Any],
    video_ids: Sequence[str],
    frames: Sequence[int] | NDArray[np.int64],
    boxes: NDArray[np.int64],
    *,
    neighbours: int = 10,
    group: int = 4,
    exclude_same_video: bool = True,
    owners: Sequence[str] | None = None,
    search: Nearest = nearest,
) -> NDArray[np.int32]:
    """Return (G, group) row numbers of every group whose samples are all in each other's lists, ascending.

    `features` is (N, D), `boxes` (N, 4) is x, y, w, h. Videos with the same entry in `owners` (by default: the same
    video) count as one. `search` finds the neighbours, here or on another device.
    """
    if exclude_same_video:
        _, codes = np.unique(np.asarray(video_ids if owners is None else owners, dtype=object), return_inverse=True)
        allowed = together_on_screen(video_ids, frames, boxes)
    else:
        codes, allowed = np.arange(len(features)), np.empty((0, 2), np.int64)
    return mutual_groups(search(features, codes.astype(np.int64), allowed, neighbours), group)


def children_of(
    features: NDArray[Any], starts: TrackStarts, rows: NDArray[np.int64], parameters: LinkParameters, search: Nearest
) -> Children:
    """Find the children of one parent; `features` and `starts` are those of its members, rows `rows` of the whole."""
    groups = children(
        features,
        starts.videos,
        starts.frames,
        starts.boxes,
        neighbours=parameters.neighbours,
        group=parameters.group,
        exclude_same_video=parameters.exclude_same_video,
        owners=starts.owners,
        search=search,
    )
    pairs = pairs_of(groups, len(rows))
    named = rows.astype(np.int32)
    return Children(named[groups], named[pairs], pair_distances(features, pairs))


def together(found: Iterable[Children], group: int) -> Children:
    """Put the children of all parents into one: groups in the order given, pairs in the order of their rows."""
    each = [Children(np.empty((0, group), np.int32), np.empty((0, 2), np.int32), np.empty(0)), *found]
    pairs = np.concatenate([one.pairs for one in each])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    distances = np.concatenate([one.distances for one in each])
    return Children(np.concatenate([one.groups for one in each]), pairs[order], distances[order])


def pairs_of(groups: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return (E, 2) every pair inside a group, once, smaller row first, in order; rows are below `count`."""
    size = groups.shape[1]
    first, second = np.triu_indices(size, 1)
    codes = groups[:, first].astype(np.int64) * count + groups[:, second]
    unique = np.unique(codes)
    return np.stack([unique // count, unique % count], axis=1)


def pair_distances(features: NDArray[Any], pairs: NDArray[Any]) -> NDArray[np.float64]:
    """Return (E,) 1 - cosine of the pairs (E, 2) of rows of (N, D) vectors, never below 0, to six places.

    Computed in float32, which has no seventh; and six are what a person can read on an edge.
    """
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), 4096):
        a, b = (of_length_one(features[pairs[start : start + 4096, side]]) for side in (0, 1))
        result[start : start + 4096] = 1 - np.einsum("nd,nd->n", a, b)
    return np.maximum(result, 0).round(6)
