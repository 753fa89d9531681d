"""Nearest neighbours of patches, and the share of comparisons in which A' is closer to A than another patch is.

The share is measured without labels, on tracks of videos kept out of training. The other patch is from another parent
cluster, as the negatives of the loss are (https://arxiv.org/abs/1708.02901, section 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.errors import NotFound
from graph.nearest import nearest_by_cosine
from graph.shards import Shards

_MOST_PATCHES = 20_000  # searched for nearest neighbours
_DRAWS = 2_000  # of tracks, for an interval
_MOST_OTHERS = 2_000  # patches of other parent clusters that one A' is compared with


@dataclass(frozen=True)
class Vectors:
    """Unit vectors (N, D) of patches and the videos they are from."""

    ids: list[str]
    videos: list[str]
    matrix: NDArray[np.float32]

    def rows(self) -> dict[str, int]:
        """The row of each patch."""
        return {patch: row for row, patch in enumerate(self.ids)}


@dataclass(frozen=True)
class Track:
    """A track with the parent cluster of its start."""

    start: str
    end: str
    parent: int
    held_out: bool


def load_vectors(shards: Shards, folder: str, video_ids: Sequence[str]) -> Vectors:
    """Read `features/<model>` or `embeddings/<model>`, video by video up to `_MOST_PATCHES`; raises `NotFound`."""
    ids: list[str] = []
    videos: list[str] = []
    blocks: list[NDArray[np.float32]] = []
    for video in video_ids:
        own, vectors = shards.read_vectors(f"{folder}/{video}")
        ids += own
        videos += [video] * len(own)
        blocks.append(vectors.astype(np.float32))
        if len(ids) >= _MOST_PATCHES:
            break
    if not ids:
        raise NotFound(f"There are no vectors in {folder}. Run `transitive embed` first.")
    matrix = np.concatenate([block for block in blocks if len(block)])
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return Vectors(ids, videos, matrix)


def nearest(vectors: Vectors, patch: str, count: int) -> list[str]:
    """Return the patches of other videos nearest to this one, best first."""
    row = vectors.rows()[patch]
    others = [other for other, video in enumerate(vectors.videos) if video != vectors.videos[row]]
    best, _ = nearest_by_cosine(vectors.matrix[others], vectors.matrix[row : row + 1], count)
    return [vectors.ids[others[index]] for index in best[0]]


def closer_share(vectors: Vectors, tracks: Sequence[Track]) -> dict[str, float | bool]:
    """Return the share of comparisons in which A' is closer to A than a patch C of another parent cluster is.

    The tracks are the held-out ones; all tracks if no video is held out (`held_out` is False then). C is from a
    held-out track where these have two parents or more, else from any track (`others_held_out` is False then). A tie
    counts half. `share` is absent if nothing can be compared.
    """
    compared = _compare(vectors, tracks)
    pairs = sum(count for _, count in compared.shares.values())
    facts: dict[str, float | bool] = {
        "tracks": compared.tracks,
        "comparisons": pairs,
        "held_out": compared.held_out,
        "others_held_out": compared.others_held_out,
    }
    closer = sum(share * count for share, count in compared.shares.values())
    return facts | ({"share": closer / pairs} if pairs else {})


def gain(before: Vectors, after: Vectors, tracks: Sequence[Track]) -> dict[str, float]:
    """Return the mean rise of a track's share from `before` to `after`, and its 95 % interval.

    The interval, `low` to `high`, comes from draws of tracks (bootstrap). Tracks of one video are alike, so with one
    held-out video it says how other tracks of that video would do. Empty if nothing can be compared.
    """
    first, second = _compare(before, tracks).shares, _compare(after, tracks).shares
    both = sorted(first.keys() & second.keys())
    if not both:
        return {}
    rises = np.array([second[track][0] - first[track][0] for track in both])
    drawn = rises[np.random.default_rng(0).integers(0, len(rises), (_DRAWS, len(rises)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"gain": float(rises.mean()), "low": float(low), "high": float(high)}


@dataclass(frozen=True)
class _Compared:
    """The result of a comparison of tracks: share and number of comparisons of each by (start, end)."""

    tracks: int
    held_out: bool
    others_held_out: bool
    shares: dict[tuple[str, str], tuple[float, int]]


def _compare(vectors: Vectors, tracks: Sequence[Track]) -> _Compared:
    row = vectors.rows()
    known = [track for track in tracks if track.start in row and track.end in row and track.parent >= 0]
    kept_out = [track for track in known if track.held_out]
    tested = kept_out or known
    only_held_out = len({track.parent for track in tested}) > 1
    pool = _by_parent(tested if only_held_out else known, row)
    shares: dict[tuple[str, str], tuple[float, int]] = {}
    for track in tested:
        others = np.array([r for parent, rows in pool.items() if parent != track.parent for r in rows], np.int64)
        if not len(others):
            continue
        others = others[:: max(1, len(others) // _MOST_OTHERS)]
        anchor = vectors.matrix[row[track.start]]
        own = float(anchor @ vectors.matrix[row[track.end]])
        against = vectors.matrix[others] @ anchor
        closer = (int((own > against).sum()) + int((own == against).sum()) / 2) / len(others)
        shares[track.start, track.end] = closer, len(others)
    return _Compared(len(tested), bool(kept_out), only_held_out, shares)


def _by_parent(tracks: Sequence[Track], row: Mapping[str, int]) -> dict[int, list[int]]:
    pool: dict[int, list[int]] = {}
    for track in tracks:
        pool.setdefault(track.parent, []).extend([row[track.start], row[track.end]])
    return pool
