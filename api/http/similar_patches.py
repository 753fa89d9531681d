"""Search for similar patches: by a model's vector index, and by comparison with every vector not in the index yet."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.http.patch_files import PatchFiles
from api.http.remembered import Remembered
from graph.errors import NotFound
from graph.settings import Settings
from graph.vectors.index import Plan, VectorIndex, index_folder
from graph.vectors.segment import Found
from graph.vectors.selection import Selection

Vectors = NDArray[np.float32]


class _Opened:
    """The index of one model, opened again when its manifest was written again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = Remembered(self._read_time, 0.0)
        self._index: VectorIndex | None = None
        self._plan: Plan | None = None

    def planned(self, versions: dict[str, str]) -> tuple[VectorIndex | None, Plan]:
        """Return the index, if there is one, and how these shards are searched."""
        if self._written.refresh():
            self._index, self._plan = VectorIndex.open(self._folder), None
        if self._plan is None or self._plan.versions is not versions:
            self._plan = self._index.plan(versions) if self._index else Plan(versions, (), tuple(sorted(versions)))
        return self._index, self._plan

    def _read_time(self) -> float:
        """Return when the manifest was written; 0 if there is none."""
        try:
            return (self._folder / "manifest.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0


class SimilarPatches:
    """Searches the embeddings of every model; safe to share between threads."""

    def __init__(self, files: PatchFiles, settings: Settings, marked: Callable[[], frozenset[str]] = frozenset) -> None:
        """Search the embeddings of `files` without the `marked` patches; the settings name the indexes' folder."""
        self._files, self._settings, self._marked = files, settings, marked
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    def search(self, model: str, query: Vectors, k: int, wanted: Selection | None = None) -> list[Found]:
        """Find the `k` patches of the highest cosine with `query` ((E,), of length 1): (patch, video, cosine).

        Vectors outside the index are all compared. Equal cosines are ordered by id.
        """
        wanted = replace(wanted or Selection(), hidden=self._marked())
        index, plan = self._index(model)
        found = index.search(query, k, plan, wanted) if index else []
        for video in plan.uncovered:
            found += self._compare(model, video, plan.versions[video], query, k, wanted)
            if len(found) > 4 * (k + 1):
                found = _best(found, k)
        return _best(found, k)

    def vector(self, model: str, patch: str) -> Vectors:
        """Return the embedding (E,) with which a patch is searched; raises `NotFound`.

        The index gives it rounded to float16 in one read; a shard would be read whole.
        """
        index, plan = self._index(model)
        found = index.vector(patch, plan) if index else None
        return self._files.embeddings(model, [patch])[0] if found is None else found

    def uncovered(self, model: str) -> int:
        """Return how many shards the index does not hold."""
        return len(self._index(model)[1].uncovered)

    def index(self, model: str) -> VectorIndex | None:
        """Return the open index of a model; None if there is none."""
        return self._index(model)[0]

    def _index(self, model: str) -> tuple[VectorIndex | None, Plan]:
        versions = self._files.versions(model)
        with self._lock:
            opened = self._opened.setdefault(model, _Opened(index_folder(self._settings, model)))
            return opened.planned(versions)

    def _compare(
        self, model: str, video: str, version: str, query: Vectors, k: int, wanted: Selection
    ) -> Iterator[Found]:
        if video in wanted.without_videos or wanted.video not in ("", video):
            return
        try:
            ids, vectors = self._files.video_vectors(model, video, version)
        except NotFound:  # the video was deleted after its folder was listed
            return
        cosines = vectors @ query
        rows = np.arange(len(ids))
        if wanted.patches is not None or wanted.without_patch or wanted.hidden:
            permitted = wanted.patches
            refused = wanted.hidden | {wanted.without_patch}
            rows = np.array(
                [r for r in rows if ids[r] not in refused and (permitted is None or ids[r] in permitted)], int
            )
        count = min(k, len(rows))
        if count:
            # ties at the edge of the selection must not be lost to argpartition's order
            edge = np.partition(cosines[rows], len(rows) - count)[len(rows) - count]
            yield from ((ids[r], video, float(cosines[r])) for r in rows[cosines[rows] >= edge])


def _best(found: list[Found], k: int) -> list[Found]:
    return sorted(found, key=lambda one: (-one[2], one[0]))[:k]
