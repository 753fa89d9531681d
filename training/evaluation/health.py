"""Vectors of tracks on held-out videos come in, numbers that need no label go out.

A healthy embedding puts A' near A (the same object later), B' near A (a linked object later), and uses its room.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024


@dataclass(frozen=True)
class HealthSet:
    """T tracks: the vectors at `2 t` (A) and `2 t + 1` (A') belong to track t."""

    rows: NDArray[np.int64]  # (2T,) rows of the patch table: A, A', A, A', …
    videos: NDArray[np.int32]  # (T,)
    links: NDArray[np.int64]  # (L, 2) pairs of tracks whose starts are linked


def health(vectors: NDArray[np.floating], tracks: HealthSet, seed: int = 0) -> dict[str, float]:
    """Measure (2T, D) vectors of `tracks`, in its order.

    Returns:
        auc: chance that a track's pair is closer than a random pair of another video (of another track, where
            there is one video only). 0.5 is blind.
        recall@1, recall@5: share of A whose A' is among the nearest k of all ends.
        transitive_recall@5: share of linked (A, B) with B' among A's nearest five ends, A' aside. Absent without links.
        effective_rank: directions in use (Roy and Vetterli 2007).
        alignment: mean squared distance of A and A' on the sphere; uniformity: log of the mean Gaussian potential.
            Wang and Isola 2020; lower is better for both.
        tracks: how many there were.
    """
    precise = vectors.astype(np.float32)
    unit = precise / np.maximum(np.linalg.norm(precise, axis=1, keepdims=True), 1e-12)
    starts, ends = unit[0::2], unit[1::2]
    count = len(starts)
    if count < 2:
        return {"tracks": float(count)}
    own = np.einsum("td,td->t", starts, ends)
    out = {"tracks": float(count), "auc": _auc(own, _random_pairs(starts, ends, tracks.videos, seed))}
    rank = np.empty(count, np.int64)
    linked: dict[int, list[int]] = {}
    for a, b in tracks.links:
        linked.setdefault(int(a), []).append(int(b))
        linked.setdefault(int(b), []).append(int(a))
    hits = pairs = 0
    for first in range(0, count, _BLOCK):
        similar = starts[first : first + _BLOCK] @ ends.T
        rank[first : first + _BLOCK] = (similar > own[first : first + _BLOCK, None]).sum(1)
        for track in range(first, min(first + _BLOCK, count)):
            if track in linked:
                row = similar[track - first].copy()
                row[track] = -np.inf
                nearest = np.argpartition(-row, min(5, count - 1) - 1)[:5]
                hits += int(np.isin(linked[track], nearest).sum())
                pairs += len(linked[track])
    out["recall@1"] = float((rank < 1).mean())
    out["recall@5"] = float((rank < 5).mean())
    if pairs:
        out["transitive_recall@5"] = hits / pairs
    values = np.linalg.svd(unit[: 2 * _BLOCK], compute_uv=False)
    share = values / values.sum()
    out["effective_rank"] = float(np.exp(-(share * np.log(share + 1e-12)).sum()))
    out["alignment"] = float((2 - 2 * own).mean())
    some = unit[: 2 * _BLOCK]
    apart = np.maximum(2 - 2 * (some @ some.T), 0)[np.triu_indices(len(some), 1)]
    out["uniformity"] = float(np.log(np.exp(-2 * apart).mean()))
    return out


def _random_pairs(
    starts: NDArray[np.float32], ends: NDArray[np.float32], videos: NDArray[np.int32], seed: int
) -> NDArray[np.float32]:
    """Cosines of up to ten random ends of other videos for each start."""
    count = len(starts)
    generator = np.random.default_rng(seed)
    a = np.repeat(np.arange(count), 10)
    b = generator.integers(0, count, len(a))
    other = videos[a] != videos[b] if len(np.unique(videos)) > 1 else a != b
    cosines: NDArray[np.float32] = np.einsum("td,td->t", starts[a[other]], ends[b[other]])
    return cosines


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """Chance that a positive is greater than a negative, ties counting half."""
    if not len(negative):
        return 0.5
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    upto = np.searchsorted(ordered, positive, "right")
    return float((below + upto).mean() / 2 / len(negative))
