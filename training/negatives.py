"""Negatives of a mini-batch: which pairs of images are allowed, and the random choice among them (section 5)."""

import numpy as np
from numpy.typing import NDArray

from training.links import Links
from training.random_streams import RandomStream, generator
from training.source import PatchTable

_DISTRACTORS_TRIED = 256


def allowed_negatives(rows: NDArray[np.int64], table: PatchTable, links: Links) -> NDArray[np.bool_]:
    """Return which of (N,) rows may be negatives of each other: (N, N), symmetric.

    A negative is from another parent cluster, another video and another track, and the two tracks are not linked.
    Section 5 asks for another parent cluster only; two clusters can hold one object, seen in one video. The end of a
    track has the cluster and the links of its start.
    """
    parent, video, track = table.parent[rows], table.video[rows], table.track[rows]
    clustered = parent >= 0
    allowed: NDArray[np.bool_] = (
        (parent[:, None] != parent[None])
        & (clustered[:, None] & clustered[None])
        & (video[:, None] != video[None])
        & (track[:, None] != track[None])
    )
    starts, place = np.unique(track, return_inverse=True)
    linked = links.among(starts.astype(np.int64))
    if linked.any():
        allowed &= ~linked[place][:, place]
    return allowed


def choose_distractors(
    anchors_without_negative: NDArray[np.int64], table: PatchTable, links: Links, seed: int, step: int
) -> NDArray[np.int64]:
    """Choose a few more rows, so that each of these anchors gets an allowed negative if the graph has one.

    A batch of few videos may hold no negative, because its quadruples join the same clusters of the same two videos. A
    distractor is section 3's "random sample C unconnected to A, A', B, B'".
    """
    draws = generator(seed, RandomStream.DISTRACTORS, step)
    usable = np.flatnonzero(~table.held_out & (table.parent >= 0))
    candidates = usable[draws.permutation(len(usable))[:_DISTRACTORS_TRIED]]
    count = len(anchors_without_negative)
    allowed = allowed_negatives(np.concatenate([anchors_without_negative, candidates]), table, links)[:count, count:]
    chosen: list[int] = []
    for row in allowed:
        if row.any() and not row[chosen].any():
            chosen.append(int(np.argmax(row)))
    return candidates[chosen]


def draw_negatives(anchors: NDArray[np.int64], allowed: NDArray[np.bool_], seed: int, step: int) -> NDArray[np.int64]:
    """Draw one allowed position for each anchor with equal probability: (P,) → (P, 1), -1 if there is none."""
    so_far = np.cumsum(allowed, axis=1, dtype=np.int32)
    count = so_far[anchors, -1]
    uniform = generator(seed, RandomStream.NEGATIVES, step).random(len(anchors))
    pick = np.minimum((uniform * count).astype(np.int64), np.maximum(count - 1, 0))
    place = np.argmax(so_far[anchors] > pick[:, None].astype(np.int32), axis=1)
    return np.where(count > 0, place, -1)[:, None]
