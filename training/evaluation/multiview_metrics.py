"""Metrics of category retrieval for views of unseen objects: P@1 and mAP@R, without the query's own object."""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.multiview_data import Views

RING = 16  # ETH-80's first views are taken around a turntable
RING_STEP = 22.5  # degrees from one to the next
FAR = 60.0  # degrees


def multiview_metrics(
    asked: NDArray[np.floating], queries: Views, held: NDArray[np.floating], gallery: Views
) -> dict[str, float]:
    """Measure the retrieval of (Q, D) queries in a (G, D) gallery of other objects by cosine.

    Returns:
        precision@1 and mAP@R (R: the views of the query's category in the gallery; Musgrave et al. 2020), "far " with
        the ring's views only, of those at least 60 degrees apart, and precision@1 of each category.
    """
    similar = _unit(asked) @ _unit(held).T
    same = queries.category[:, None] == gallery.category
    other = queries.instance[:, None] != gallery.instance
    hit, precision = ranked_precision(similar, same, other)
    out = {"precision@1": float(hit.mean()), "mAP@R": float(precision.mean())}
    steps = np.abs(queries.view[:, None] - gallery.view)
    apart = np.minimum(steps, RING - steps) * RING_STEP
    on_ring = queries.view < RING
    far = other & (gallery.view < RING) & (apart >= FAR)
    far_hit, far_precision = ranked_precision(similar[on_ring], same[on_ring], far[on_ring])
    out |= {"far precision@1": float(far_hit.mean()), "far mAP@R": float(far_precision.mean())}
    for number, name in enumerate(queries.categories):
        out[f"{name} precision@1"] = float(hit[queries.category == number].mean())
    return out


def ranked_precision(
    similar: NDArray[np.floating], same: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return for each of Q queries whether its nearest is a hit, and its average precision at R.

    Args:
        similar: (Q, G) cosines.
        same: (Q, G) whether the answer is correct.
        allowed: (Q, G) which answers count; R is the number of correct ones among them.
    """
    order = np.argsort(-np.where(allowed, similar, -np.inf), axis=1, kind="stable")
    hits = np.take_along_axis(same & allowed, order, axis=1)
    right = hits.sum(axis=1)
    rank = np.arange(1, hits.shape[1] + 1)
    precision = np.cumsum(hits, axis=1) / rank
    inside = hits & (rank <= right[:, None])
    return hits[:, 0], (precision * inside).sum(axis=1) / np.maximum(right, 1)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    precise = vectors.astype(np.float32)
    unit: NDArray[np.float32] = precise / np.maximum(np.linalg.norm(precise, axis=1, keepdims=True), 1e-12)
    return unit
