"""Child clusters: groups of samples that are mutual nearest neighbours within a parent (section 4.2, second stage).

The paper uses groups of 4 and lists of 10 neighbours. The default here is groups of 2, of which only the tightest are
kept, because a larger share of their links is correct (docs/decisions/0207-pure-links.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.bounds import keep_tightest
from graph.linking.cliques import mutual_groups
from graph.linking.features import of_length_one
from graph.linking.neighbours import Nearest, nearest, together_on_screen
from graph.linking.parameters import LinkParameters
from graph.linking.track_starts import TrackStarts


@dataclass(frozen=True, slots=True)
class Children:
    """Children and the inter-instance edges inside them, by row number."""

    groups: NDArray[np.int32]  # (G, group) rows of each child, ascending
    pairs: NDArray[np.int32]  # (E, 2) rows of each edge, smaller first
    distances: NDArray[np.float64]  # (E,) 1 - cosine
    capped: int = 0  # groups left out because a member is in more than `bounds.MOST_CHILDREN` tighter ones


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
    """Return (G, group) row numbers, ascending, of every group whose samples are all in each other's lists.

    Args:
        features: (N, D) vectors of any length.
        video_ids: video of each sample.
        frames: (N,) frame of each sample.
        boxes: (N, 4) x, y, w, h of each sample.
        neighbours: length of the nearest-neighbour lists.
        group: samples per group.
        exclude_same_video: whether samples of one video are excluded from each other's lists.
        owners: owner of each sample; samples with the same owner count as one video. Default: `video_ids`.
        search: finds the nearest neighbours.
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
    """Return the children of one parent by the row numbers in `rows` (R,).

    `features` (R, D) and `starts` belong to the parent's members.
    """
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
    distances = pair_distances(features, pairs)
    kept = keep_tightest(groups, _widths(groups, pairs, distances, len(rows)))
    if not kept.all():
        every, groups = pairs, groups[kept]
        pairs = pairs_of(groups, len(rows))
        distances = distances[np.isin(_codes(every, len(rows)), _codes(pairs, len(rows)), assume_unique=True)]
    named = rows.astype(np.int32)
    return Children(named[groups], named[pairs], distances, int(np.count_nonzero(~kept)))


def distance_ceiling(found: Children, count: int, share: float) -> float:
    """Return the smallest ceiling on the width of a child with which `share` of the `count` starts are linked.

    A child's width is the largest distance between two of its samples. Returns 2, the maximum of 1 - cosine, if all
    children together link at most that share.
    """
    wanted = int(np.ceil(share * count))
    widths = child_widths(found, count)
    order = np.argsort(widths, kind="stable")
    _, first = np.unique(found.groups[order].ravel(), return_index=True)
    if share >= 1 or len(first) <= wanted:
        return 2.0
    child = np.sort(first // found.groups.shape[1])[wanted - 1]  # `wanted` starts are linked up to this child
    return float(widths[order[child]])


def within(found: Children, count: int, ceiling: float) -> Children:
    """Return the children of at most the width `ceiling` and the pairs inside them; `count` is the number of rows."""
    if ceiling >= 2:
        return found
    return _only(found, found.groups[child_widths(found, count) <= ceiling], count)


def without_pairs(found: Children, count: int, rejected: NDArray[np.int64]) -> Children:
    """Return the children that contain no rejected pair; `rejected` is (R, 2) rows, smaller first.

    A child is a complete subgraph of the mutual-neighbour graph (section 4.2), in which rejected pairs are not edges.
    """
    if not len(rejected):
        return found
    refused = _codes(rejected, count)
    broken = np.zeros(len(found.groups), bool)
    for first, second in zip(*np.triu_indices(found.groups.shape[1], 1), strict=True):
        broken |= np.isin(_codes(found.groups[:, [first, second]], count), refused)
    return _only(found, found.groups[~broken], count)


def count_pairs(found: Children, ceiling: float, count: int, wanted: NDArray[np.int64]) -> int:
    """Return how many of the `wanted` pairs, (R, 2) rows, were found with a distance of at most `ceiling`."""
    near = found.pairs[found.distances <= ceiling]
    return int(np.isin(_codes(near, count), _codes(wanted, count)).sum()) if len(wanted) else 0


def _only(found: Children, groups: NDArray[np.int32], count: int) -> Children:
    """Return a subset of the children with the pairs inside them."""
    kept = np.isin(_codes(found.pairs, count), _codes(pairs_of(groups, count), count), assume_unique=True)
    return Children(groups, found.pairs[kept], found.distances[kept], found.capped)


def child_widths(found: Children, count: int) -> NDArray[np.float64]:
    """Return (G,) widths: the largest distance between two samples of each child; `count` is the number of rows."""
    return _widths(found.groups, found.pairs, found.distances, count)


def _widths(
    groups: NDArray[Any], pairs: NDArray[Any], distances: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    codes = _codes(pairs, count)  # ascending: pairs are in the order of their rows
    widths = np.zeros(len(groups))
    for first, second in zip(*np.triu_indices(groups.shape[1], 1), strict=True):
        place = np.searchsorted(codes, _codes(groups[:, [first, second]], count))
        np.maximum(widths, distances[place], out=widths)
    return widths


def _codes(pairs: NDArray[Any], count: int) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = pairs[:, 0].astype(np.int64) * count + pairs[:, 1]
    return codes


def together(found: Iterable[Children], group: int) -> Children:
    """Concatenate the children of all parents: groups in the given order, pairs sorted by their rows."""
    each = [Children(np.empty((0, group), np.int32), np.empty((0, 2), np.int32), np.empty(0)), *found]
    pairs = np.concatenate([one.pairs for one in each])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    distances = np.concatenate([one.distances for one in each])
    groups = np.concatenate([one.groups for one in each])
    return Children(groups, pairs[order], distances[order], sum(one.capped for one in each))


def pairs_of(groups: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the (E, 2) distinct pairs inside the groups, sorted, smaller row first; row numbers are below `count`."""
    size = groups.shape[1]
    first, second = np.triu_indices(size, 1)
    codes = groups[:, first].astype(np.int64) * count + groups[:, second]
    unique = np.unique(codes)
    return np.stack([unique // count, unique % count], axis=1)


def pair_distances(features: NDArray[Any], pairs: NDArray[Any]) -> NDArray[np.float64]:
    """Return (E,) 1 - cosine for the pairs (E, 2) of rows of (N, D) vectors, at least 0.

    The result is rounded to six decimals, which is the precision of float32.
    """
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), 4096):
        a, b = (of_length_one(features[pairs[start : start + 4096, side]]) for side in (0, 1))
        result[start : start + 4096] = 1 - np.einsum("nd,nd->n", a, b)
    return np.maximum(result, 0).round(6)
