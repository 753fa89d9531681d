"""Search for similar patches: by a model's vector index, and by comparison with every vector not in the index yet."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from api.http.patch_files import FRESH_S, PatchFiles
from graph.errors import NotFound
from graph.settings import Settings
from graph.vectors.index import Plan, VectorIndex, index_folder
from graph.vectors.segment import Found
from graph.vectors.selection import Selection

Vectors = NDArray[np.float32]


@dataclass
class _Opened:
    looked_at: float
    manifest_s: float  # when the manifest was written; 0: there is none
    index: VectorIndex | None
    plan: Plan | None = None


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
            known = self._opened.get(model)
            if known is None or time.monotonic() - known.looked_at > FRESH_S:
                known = self._opened[model] = self._look(model, known)
            if known.plan is None or known.plan.versions is not versions:
                known.plan = known.index.plan(versions) if known.index else Plan(versions, (), tuple(sorted(versions)))
            return known.index, known.plan

    def _look(self, model: str, known: _Opened | None) -> _Opened:
        folder = index_folder(self._settings, model)
        try:
            written = (folder / "manifest.json").stat().st_mtime
        except FileNotFoundError:
            written = 0.0
        if known is not None and known.manifest_s == written:
            known.looked_at = time.monotonic()
            return known
        return _Opened(time.monotonic(), written, VectorIndex.open(folder))

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
