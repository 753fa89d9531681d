"""The quality report of a linking: cluster sizes, purity by video, distances and singletons."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.children import Children, pair_distances
from graph.linking.track_starts import TrackStarts

_PAIRS = 5_000  # random pairs for the mean distance between parents


def quality_report(
    starts: TrackStarts,
    labels: NDArray[np.int32],
    dropped: NDArray[np.int64],
    found: Children,
    distance_across: float,
) -> dict[str, Any]:
    """Return the measures of one linking; each value is a number or a small dict of numbers.

    `labels` (N,) is the parent of each start, -1 for none; `dropped` has the sizes of dropped clusters. Re-encodings of
    one video (the same entry in `owners`) count as one video in `edges_inside_one_video` and `purity_by_video`.
    """
    count = len(labels)
    groups, pairs, distances = found.groups, found.pairs, found.distances
    _, codes = np.unique(np.asarray(starts.owners, dtype=object), return_inverse=True)
    linked = np.zeros(count, bool)
    linked[pairs.ravel()] = True
    in_children = np.bincount(groups.ravel(), minlength=count)
    sizes = np.bincount(labels[labels >= 0])
    same = codes[pairs[:, 0]] == codes[pairs[:, 1]]
    return {
        "patches": count,
        "videos": len(set(starts.videos)),
        "twin_videos": len(set(starts.videos)) - len(set(starts.owners)),
        "parents": len(sizes),
        "parent_size": _spread(sizes),
        "dropped_parents": len(dropped),
        "empty_parents": int(np.count_nonzero(dropped == 0)),
        "dropped_patches": int(np.count_nonzero(labels < 0)),
        "children": len(groups),
        "children_over_the_cap": found.capped,
        "children_per_linked_patch": _mean(in_children[in_children > 0]),
        "edges": len(pairs),
        "edges_per_patch": len(pairs) / count if count else 0.0,
        "singletons": float(1 - linked.mean()) if count else 0.0,
        "edges_inside_one_video": _mean(same),
        "purity_by_video": _purity_by_video(labels, codes),
        "distance_inside": _mean(distances),
        "distance_across": distance_across,
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _spread(sizes: NDArray[Any]) -> dict[str, int]:
    if not len(sizes):
        return {"smallest": 0, "median": 0, "largest": 0}
    return {"smallest": int(sizes.min()), "median": int(np.median(sizes)), "largest": int(sizes.max())}


def _purity_by_video(labels: NDArray[np.int32], codes: NDArray[Any]) -> float:
    """Return the share of patches from the commonest video of their parent; 1 means one video per parent."""
    inside = labels >= 0
    if not inside.any():
        return 0.0
    cells, counts = np.unique(np.stack([labels[inside], codes[inside]]), axis=1, return_counts=True)
    commonest = np.zeros(int(labels.max()) + 1, np.int64)
    np.maximum.at(commonest, cells[0], counts)
    return float(commonest.sum() / inside.sum())


def distance_across(features: NDArray[Any], labels: NDArray[np.int32], seed: int) -> float:
    """Return the mean 1 - cosine of random pairs from different parents, which are the negatives of section 5.

    `features` (S, D) are a sample of the starts, `labels` (S,) their parents, -1 for none. `seed` selects the pairs.
    """
    inside = np.flatnonzero(labels >= 0)
    if not len(inside):
        return 0.0
    a, b = np.random.default_rng(seed).choice(inside, (2, min(_PAIRS, 10 * len(inside))))
    different = labels[a] != labels[b]
    return _mean(pair_distances(features, np.stack([a[different], b[different]], axis=1)))
