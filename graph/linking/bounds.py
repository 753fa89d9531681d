"""Bounds of a linking: an estimate of its memory and edges before it starts, and a cap on the children of a patch.

The number of mutual groups grows combinatorially with the lists: a patch with n mutual neighbours is in at most
C(n, group - 1) children. The paper's lists of 10 and groups of 4 give 120 at most (section 4.2).
"""

from math import comb

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.parameters import LinkParameters

MOST_CHILDREN = 120  # of one patch: C(10, 3), so the cap never changes what the paper's parameters give
MOST_BYTES = 2 * 1024**3  # of the groups of one parent while they grow
MOST_EDGES = 200_000_000  # of a generation; writing so many takes about four hours (12,000 edges/s)
_BYTES = 8  # of a group's member: 4 as int32, twice while groups are concatenated


def check_bounds(parameters: LinkParameters, count: int) -> None:
    """Raise `InvalidInput` if linking `count` starts could take too much memory or give too many edges.

    The estimate is the worst case for a parent of mean size: each patch is mutual with its whole list. `parameters` are
    resolved.
    """
    size = -(-count // parameters.parents)
    listed = min(parameters.neighbours, size - 1)
    groups = max(comb(listed, members - 1) for members in range(1, parameters.group + 1))
    grown = _BYTES * size * groups
    if grown > MOST_BYTES:
        raise InvalidInput(
            f"Groups of {parameters.group} in lists of {parameters.neighbours} could take {_amount(grown)} of memory "
            f"for a parent of {size:,} patches; the limit is {_amount(MOST_BYTES)}. "
            "Choose a smaller group, shorter lists (neighbours) or more parents."
        )
    edges = count * min(listed, MOST_CHILDREN * (parameters.group - 1)) // 2
    if edges > MOST_EDGES:
        raise InvalidInput(
            f"Lists of {parameters.neighbours} could give {edges:,} edges between {count:,} patches; the limit is "
            f"{MOST_EDGES:,}. Choose shorter lists (neighbours)."
        )


def keep_tightest(
    groups: NDArray[np.int32], widths: NDArray[np.float64], most: int = MOST_CHILDREN
) -> NDArray[np.bool_]:
    """Return the mask (G,) of the groups to keep: those among the `most` tightest of each of their members.

    `groups` is (G, size) row numbers, `widths` (G,) the largest distance inside each; ties are ordered by position.
    """
    members = groups.shape[1] if groups.ndim == 2 else 0
    flat = groups.ravel()
    if not len(flat) or np.bincount(flat).max() <= most:
        return np.ones(len(groups), bool)
    place = np.repeat(np.argsort(np.argsort(widths, kind="stable"), kind="stable"), members)
    order = np.lexsort((place, flat))
    first = np.searchsorted(flat[order], flat[order])  # where each member's groups begin
    rank = np.empty(len(flat), np.int64)
    rank[order] = np.arange(len(flat)) - first
    kept: NDArray[np.bool_] = np.all((rank < most).reshape(-1, members), axis=1)
    return kept


def _amount(size: int) -> str:
    gib = size / 1024**3
    return f"{gib:,.1f} GiB" if gib < 1e6 else "more than a million GiB"
