"""A segment of a vector index: the memory-mapped vectors of some videos in one folder.

    rows.npz         keys (N,) uint64: the patch ids; order (N,): rows sorted by key; videos, versions, starts (V + 1,)
    vectors.f16      (N, D) float16 in row order, with which candidates are compared
    inverted.faiss   an inverted file over the same rows
    trained.faiss    the same inverted file without rows; only in the first segment, as the base of later ones

The rows of a video are adjacent. A segment never changes; new videos become a new segment.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.nearest import InvertedFile, nearest_of_halves
from graph.vectors.selection import Selection

EXACT_ROWS = 20_000  # up to this number of rows, all are compared: about 10 ms on one core
FIRST_CANDIDATES = 100  # candidates that the codes find and the vectors order; more if more answers are requested

Found = tuple[str, str, float]  # patch, video, cosine


@dataclass(frozen=True)
class Segment:
    """An open segment. Threads may share it."""

    folder: Path
    dimension: int
    keys: NDArray[np.uint64]
    order: NDArray[np.int64]
    videos: list[str]
    versions: list[str]
    starts: NDArray[np.int64]
    vectors: NDArray[np.float16]  # (N, D), mapped
    inverted: InvertedFile
    _alive_rows: dict[tuple[frozenset[str], frozenset[str]], NDArray[np.bool_] | None] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, dimension: int) -> "Segment":
        """Map a segment's files into memory."""
        with (folder / "rows.npz").open("rb") as file, np.load(file, allow_pickle=False) as rows:
            keys, order, starts = rows["keys"], rows["order"], rows["starts"]
            videos, versions = rows["videos"].tolist(), rows["versions"].tolist()
        vectors: NDArray[np.float16] = np.empty((0, dimension), np.float16)  # an empty file cannot be mapped
        if len(keys):
            vectors = np.memmap(folder / "vectors.f16", np.float16, "r", shape=(len(keys), dimension))
        inverted = InvertedFile.map(folder / "inverted.faiss")
        return cls(folder, dimension, keys, order, videos, versions, starts, vectors, inverted)

    def __len__(self) -> int:
        """Return the number of vectors, including those of deleted videos."""
        return len(self.keys)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {video: place for place, video in enumerate(self.videos)}

    def count(self, videos: Collection[str]) -> int:
        """Return the number of rows of these videos."""
        lengths = np.diff(self.starts)
        return int(sum(lengths[self._places[video]] for video in videos))

    def current(self, versions: Mapping[str, str]) -> frozenset[str]:
        """Return the videos whose shards have not changed since the segment was built."""
        pairs = zip(self.videos, self.versions, strict=True)
        return frozenset(video for video, version in pairs if versions.get(video) == version)

    def vector(self, patch: str, current: frozenset[str]) -> NDArray[np.float32] | None:
        """Return the vector (D,) of a patch of a `current` video, of length 1; None if the segment has none."""
        place = int(np.searchsorted(self.keys, np.uint64(int(patch, 16)), sorter=self.order))
        if place == len(self.keys):
            return None
        row = int(self.order[place])
        owner = self.videos[int(np.searchsorted(self.starts, row, side="right")) - 1]
        if int(self.keys[row]) != int(patch, 16) or owner not in current:
            return None
        found: NDArray[np.float32] = self.vectors[row].astype(np.float32)
        return found / np.linalg.norm(found)

    def search(
        self, query: NDArray[np.float32], k: int, current: frozenset[str], wanted: Selection, visited: int
    ) -> list[Found]:
        """Return approximately the `k` rows of `current` videos with the highest cosine to `query` (D,) of length 1.

        If few rows are permitted, all are compared. Otherwise the inverted file visits `visited` lists, or more if the
        filter permits a small share of the rows, and the stored vectors order the candidates. `wanted.without_patch`
        is taken out of the candidates: a mask of all rows for one patch would take longer than the search.
        """
        allowed = self._allowed(current, wanted)
        count = len(self) if allowed is None else int(np.count_nonzero(allowed))
        if not count:
            return []
        if allowed is not None and count <= EXACT_ROWS:
            rows = np.flatnonzero(allowed)
        else:
            wider = int(np.ceil(visited * min(8.0, len(self) / count)))
            rows = self.inverted.search(query, max(FIRST_CANDIDATES, 2 * k) + 1, wider, allowed)
        if wanted.without_patch:
            rows = rows[self.keys[rows] != np.uint64(int(wanted.without_patch, 16))]
        best, cosines = nearest_of_halves(self.vectors[rows], query, k)
        owners = np.searchsorted(self.starts, rows[best], side="right") - 1
        return [
            (f"{key:016x}", self.videos[owner], cosine)
            for key, owner, cosine in zip(
                self.keys[rows[best]].tolist(), owners.tolist(), cosines.tolist(), strict=True
            )
        ]

    def _allowed(self, current: frozenset[str], wanted: Selection) -> NDArray[np.bool_] | None:
        """Return the mask (N,) of permitted rows, or None if all rows are permitted."""
        alive = self._alive(current, wanted.hidden)
        if wanted == Selection(without_patch=wanted.without_patch, hidden=wanted.hidden):
            return alive
        mask = np.ones(len(self), bool) if alive is None else alive.copy()
        if wanted.patches is not None:
            mask &= self._mask_of(np.array([int(patch, 16) for patch in wanted.patches], np.uint64))
        if wanted.video:
            mask &= self._mask_of_videos([wanted.video] if wanted.video in self._places else [])
        for video in wanted.without_videos & self._places.keys():
            place = self._places[video]
            mask[self.starts[place] : self.starts[place + 1]] = False
        return mask

    def _alive(self, current: frozenset[str], hidden: frozenset[str]) -> NDArray[np.bool_] | None:
        """Return the mask of the rows of `current` videos without the `hidden` patches, or None if these are all."""
        with suppress(KeyError):
            return self._alive_rows[current, hidden]
        mask = None if len(current) == len(self.videos) else self._mask_of_videos(sorted(current))
        if hidden:
            kept = ~self._mask_of(np.array([int(patch, 16) for patch in hidden], np.uint64))
            mask = kept if mask is None else mask & kept
        self._alive_rows.clear()  # videos or marks have changed, so masks of earlier states are not needed any more
        self._alive_rows[current, hidden] = mask
        return mask  # not read back: another thread may have cleared it, and None would permit deleted videos

    def _mask_of_videos(self, videos: list[str]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self), bool)
        for video in videos:
            place = self._places[video]
            mask[self.starts[place] : self.starts[place + 1]] = True
        return mask

    def _mask_of(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self), bool)
        places = np.searchsorted(self.keys, keys, sorter=self.order)
        inside = places < len(self.keys)
        rows = self.order[places[inside]]
        mask[rows[self.keys[rows] == keys[inside]]] = True
        return mask
