"""Metrics of an embedding on the tracks of held-out videos; they need no labels.

A good embedding has A' near A (the same object later) and B' near A (a linked object later), and uses many directions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024
_NEAREST = 5  # a linked B' counts as found among this many nearest ends
_DRAWS = 10  # random ends that each start is compared with


@dataclass(frozen=True)
class HeldOutTracks:
    """T held-out tracks, and G ends of other tracks as distractors.

    Vectors `2 t` (A) and `2 t + 1` (A') belong to track t, those from `2 T` on to the distractors. Ends 0 to T - 1 are
    those of the tracks, ends from T on the distractors.
    """

    rows: NDArray[np.int64]  # (2T + G,) rows of the patch table: A, A', A, A', …, then the distractors
    videos: NDArray[np.int32]  # (T + G,) of each end
    links: NDArray[np.int64]  # (L, 2) a track and the end B' of a track that it is linked with

    @property
    def count(self) -> int:
        """The number T of held-out tracks."""
        return len(self.rows) - len(self.videos)


def held_out_metrics(vectors: NDArray[np.floating], tracks: HeldOutTracks, seed: int = 0) -> dict[str, float]:
    """Measure (2T + G, D) vectors of `tracks`, in its order.

    Returns:
        auc: probability that A is nearer to its A' than to a random end of another held-out video (of another track,
            if only one video is held out). Chance is 0.5. The task is easy, because two videos seldom share colours.
        recall@1, recall@5: share of A whose A' is among the nearest k of all T + G ends, its own video's included.
        transitive_auc: probability that A is nearer to a linked B' than to a random end of another video.
        transitive_recall@5: share of linked (A, B') with B' among A's nearest five ends other than A'. Both transitive
            metrics are absent without links. They favour features like those that made the links.
        effective_rank: number of directions in use (Roy and Vetterli 2007).
        alignment: mean squared distance of A and A' on the unit sphere.
        uniformity: log of the mean Gaussian potential. Lower is better for both (Wang and Isola 2020).
        tracks, ends, links: their numbers.
    """
    count = tracks.count
    precise = vectors.astype(np.float32)
    unit = precise / np.maximum(np.linalg.norm(precise, axis=1, keepdims=True), 1e-12)
    starts, ends = unit[0 : 2 * count : 2], np.concatenate([unit[1 : 2 * count : 2], unit[2 * count :]])
    out = {"tracks": float(count), "ends": float(len(ends)), "links": float(len(tracks.links))}
    if count < 2:
        return out
    own = np.einsum("td,td->t", starts, ends[:count])
    out["auc"] = _auc(own, _random_pairs(starts, ends[:count], tracks.videos, seed))
    rank, found = _ranks(starts, ends, tracks.links)
    out["recall@1"] = float((rank < 1).mean())
    out["recall@5"] = float((rank < 5).mean())
    if len(tracks.links):
        linked = np.einsum("ld,ld->l", starts[tracks.links[:, 0]], ends[tracks.links[:, 1]])
        out["transitive_auc"] = _auc(linked, _random_pairs(starts, ends, tracks.videos, seed))
        out[f"transitive_recall@{_NEAREST}"] = float(found.mean())
    own_vectors = unit[: 2 * min(count, _BLOCK)]
    values = np.linalg.svd(own_vectors, compute_uv=False)
    share = values / values.sum()
    out["effective_rank"] = float(np.exp(-(share * np.log(share + 1e-12)).sum()))
    out["alignment"] = float((2 - 2 * own).mean())
    apart = np.maximum(2 - 2 * (own_vectors @ own_vectors.T), 0)[np.triu_indices(len(own_vectors), 1)]
    out["uniformity"] = float(np.log(np.exp(-2 * apart).mean()))
    return out


def end_ranks(vectors: NDArray[np.floating], tracks: HeldOutTracks) -> NDArray[np.int64]:
    """Return how many of all T + G ends are nearer to each A than its A', (T,), by (2T + G, D) vectors of `tracks`."""
    count = tracks.count
    precise = vectors.astype(np.float32)
    unit = precise / np.maximum(np.linalg.norm(precise, axis=1, keepdims=True), 1e-12)
    starts, ends = unit[0 : 2 * count : 2], np.concatenate([unit[1 : 2 * count : 2], unit[2 * count :]])
    return _ranks(starts, ends, np.empty((0, 2), np.int64))[0]


def _ranks(
    starts: NDArray[np.float32], ends: NDArray[np.float32], links: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return how many ends are nearer to each A than its A' (T,), and whether each linked B' is found (L,)."""
    rank = np.empty(len(starts), np.int64)
    found = np.zeros(len(links), np.bool_)
    for first in range(0, len(starts), _BLOCK):
        block = np.arange(first, min(first + _BLOCK, len(starts)))
        similar = starts[block] @ ends.T
        # The matrix product's own value: `own`, summed in another order, may be lower, and A' would count as nearer.
        rank[block] = (similar > similar[block - first, block, None]).sum(1)
        similar[block - first, block] = -np.inf  # A' is left out
        asked = np.flatnonzero((links[:, 0] >= first) & (links[:, 0] <= block[-1]))
        near = np.argpartition(-similar, min(_NEAREST, similar.shape[1] - 1) - 1, axis=1)[:, :_NEAREST]
        found[asked] = (near[links[asked, 0] - first] == links[asked, 1:]).any(1)
    return rank, found


def _random_pairs(
    starts: NDArray[np.float32], ends: NDArray[np.float32], videos: NDArray[np.int32], seed: int
) -> NDArray[np.float32]:
    """Return the cosines of each start with up to ten random ends of other videos."""
    count = len(starts)
    generator = np.random.default_rng(seed)
    a = np.repeat(np.arange(count), _DRAWS)
    b = generator.integers(0, len(ends), len(a))
    other = videos[a] != videos[b] if len(np.unique(videos[: len(ends)])) > 1 else a != b
    cosines: NDArray[np.float32] = np.einsum("td,td->t", starts[a[other]], ends[b[other]])
    return cosines


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """Return the probability that a positive is greater than a negative, ties counting half."""
    if not len(negative):
        return 0.5
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    upto = np.searchsorted(ordered, positive, "right")
    return float((below + upto).mean() / 2 / len(negative))
