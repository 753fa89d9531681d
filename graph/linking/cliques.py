"""Groups of mutual nearest neighbours: cliques of the mutual-neighbour graph (section 4.2).

Two samples are joined when each is in the other's list; a child is a complete subgraph of that graph. Lists are short
(10), so all cliques grow by one sample per step: a later neighbour of the clique's last sample.
"""

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 18  # cliques grown at a time; bounds the memory
_CELLS = 1 << 25  # numbers compared at a time, each clique's candidates with its own list: 128 MB


def mutual_groups(lists: NDArray[np.int32], group: int) -> NDArray[np.int32]:
    """Return (G, group) row numbers of all mutual groups, sorted and ascending in each group.

    `lists` (N, neighbours) holds the row numbers in each sample's list, padded with -1.
    """
    later = _later_mutual(lists)
    chunk = max(1, min(_CHUNK, _CELLS // later.shape[1] ** 2))
    cliques = np.arange(len(lists), dtype=np.int32)[:, None]
    for _ in range(group - 1):
        cliques = np.concatenate(
            [_grow(cliques[start : start + chunk], later) for start in range(0, len(cliques), chunk)]
            or [np.empty((0, cliques.shape[1] + 1), np.int32)]
        )
    return cliques


def _later_mutual(lists: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return (N, width) mutual neighbours of each sample with larger row numbers, ascending, padded with -1."""
    count, width = lists.shape
    rows = np.arange(count, dtype=np.int32)
    mutual = np.zeros(lists.shape, bool)
    for column in range(width):
        other = lists[:, column]
        valid = other > rows
        mutual[valid, column] = (lists[other[valid]] == rows[valid, None]).any(axis=1)
    later = np.where(mutual, lists, np.iinfo(np.int32).max)
    later.sort(axis=1)
    later[later == np.iinfo(np.int32).max] = -1
    longest = int(mutual.sum(axis=1).max(initial=0))
    return later[:, : max(longest, 1)]


def _grow(cliques: NDArray[np.int32], later: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return (H, size + 1) cliques: each clique extended by each later sample that is mutual with all its samples."""
    candidates = later[cliques[:, -1]]
    which, column = np.nonzero(candidates >= 0)
    added = candidates[which, column]
    for position in range(cliques.shape[1] - 1):
        known = (later[cliques[which, position]] == added[:, None]).any(axis=1)
        which, added = which[known], added[known]
    return np.concatenate([cliques[which], added[:, None]], axis=1)
