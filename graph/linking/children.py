"""The samples of one parent in, its children out: groups of 4 that are mutually near (section 4.2, second stage)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.cliques import mutual_groups
from graph.linking.neighbours import Nearest, nearest, together_on_screen


def children(
    features: NDArray[Any],
    video_ids: Sequence[str],
    frames: Sequence[int],
    boxes: NDArray[np.int64],
    *,
    neighbours: int = 10,
    group: int = 4,
    exclude_same_video: bool = True,
    owners: Sequence[str] | None = None,
    search: Nearest = nearest,
) -> NDArray[np.int32]:
    """Return (G, group) row numbers of every group whose samples are all in each other's lists, ascending.

    `features` (N, D) has rows of length 1, `boxes` (N, 4) is x, y, w, h. Videos with the same entry in `owners` (by
    default: the same video) count as one. `search` finds the neighbours, here or on another device.
    """
    if exclude_same_video:
        _, codes = np.unique(np.asarray(video_ids if owners is None else owners, dtype=object), return_inverse=True)
        allowed = together_on_screen(video_ids, frames, boxes)
    else:
        codes, allowed = np.arange(len(features)), np.empty((0, 2), np.int64)
    return mutual_groups(search(features, codes.astype(np.int64), allowed, neighbours), group)


def pairs_of(groups: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return (E, 2) every pair inside a group, once, smaller row first, in order; rows are below `count`."""
    size = groups.shape[1]
    first, second = np.triu_indices(size, 1)
    codes = groups[:, first].astype(np.int64) * count + groups[:, second]
    unique = np.unique(codes)
    return np.stack([unique // count, unique % count], axis=1)
