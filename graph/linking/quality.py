"""A linking's arrays in, the numbers that tell whether to trust it out: sizes, purity, distances, singletons."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PAIRS = 20_000  # random pairs of different parents whose mean distance is measured


def quality_report(
    features: NDArray[Any],
    video_ids: Sequence[str],
    owners: Sequence[str],
    labels: NDArray[np.int32],
    dropped: NDArray[np.int64],
    groups: NDArray[np.int32],
    pairs: NDArray[np.int64],
    distances: NDArray[np.float32],
    seed: int,
) -> dict[str, Any]:
    """Measure one linking of (N, D) normalised features; every value is a plain number or a small dict of them.

    Same-video shares count a re-encoded twin (the same entry in `owners`) as the same video.
    """
    count = len(labels)
    _, codes = np.unique(np.asarray(owners, dtype=object), return_inverse=True)
    linked = np.zeros(count, bool)
    linked[pairs.ravel()] = True
    in_children = np.bincount(groups.ravel(), minlength=count)
    sizes = np.bincount(labels[labels >= 0])
    same = codes[pairs[:, 0]] == codes[pairs[:, 1]]
    return {
        "patches": count,
        "videos": len(set(video_ids)),
        "twin_videos": len(set(video_ids)) - len(set(owners)),
        "parents": len(sizes),
        "parent_size": _spread(sizes),
        "dropped_parents": len(dropped),
        "empty_parents": int(np.count_nonzero(dropped == 0)),
        "dropped_patches": int(np.count_nonzero(labels < 0)),
        "children": len(groups),
        "children_per_linked_patch": _mean(in_children[in_children > 0]),
        "edges": len(pairs),
        "edges_per_patch": len(pairs) / count if count else 0.0,
        "singletons": float(1 - linked.mean()) if count else 0.0,
        "edges_inside_one_video": _mean(same),
        "purity_by_video": _purity_by_video(labels, codes),
        "distance_inside": _mean(distances),
        "distance_across": _distance_across(features, labels, seed),
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _spread(sizes: NDArray[Any]) -> dict[str, int]:
    if not len(sizes):
        return {"smallest": 0, "median": 0, "largest": 0}
    return {"smallest": int(sizes.min()), "median": int(np.median(sizes)), "largest": int(sizes.max())}


def _purity_by_video(labels: NDArray[np.int32], codes: NDArray[Any]) -> float:
    """Return the share of patches that belong to the commonest video of their parent: 1 is one video to a parent."""
    inside = labels >= 0
    if not inside.any():
        return 0.0
    cells, counts = np.unique(np.stack([labels[inside], codes[inside]]), axis=1, return_counts=True)
    commonest = np.zeros(int(labels.max()) + 1, np.int64)
    np.maximum.at(commonest, cells[0], counts)
    return float(commonest.sum() / inside.sum())


def _distance_across(features: NDArray[Any], labels: NDArray[np.int32], seed: int) -> float:
    """Return the mean 1 - cosine of seeded random pairs from two parents, the negatives of section 5."""
    inside = np.flatnonzero(labels >= 0)
    if not len(inside):
        return 0.0
    a, b = np.random.default_rng(seed).choice(inside, (2, min(_PAIRS, 10 * len(inside))))
    different = labels[a] != labels[b]
    return _mean(pair_distances(features, np.stack([a[different], b[different]], axis=1)))


def pair_distances(features: NDArray[Any], pairs: NDArray[Any]) -> NDArray[np.float32]:
    """Return (E,) 1 - cosine of the pairs (E, 2) of rows of (N, D) vectors of length 1, never below 0."""
    result = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 4096):
        a, b = (features[pairs[start : start + 4096, side]].astype(np.float32) for side in (0, 1))
        result[start : start + 4096] = 1 - np.einsum("nd,nd->n", a, b)
    return np.maximum(result, 0)
