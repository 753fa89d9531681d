"""Patch images and embeddings, read from shards and kept in memory.

Neo4j is not queried. An index made from the `id` columns of the shards maps each patch to its video (20 bytes a patch).
Of a shard only the row groups that hold the patches are read. The ones read last stay in memory up to a byte limit.
Changes by other processes are noticed within `remembered.FRESH_S` seconds, and at once when an id is unknown.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.http.remembered import Remembered
from graph.errors import NotFound
from graph.shard_cache import ShardCache
from graph.shards import Shards

BUDGET_BYTES = 1024**3

Vectors = NDArray[np.float32]
_Listing = Remembered[dict[str, str]]  # the shards of one folder: video → version


@dataclass(frozen=True)
class _Places:
    """The row of each patch in a shard."""

    keys: NDArray[np.uint64]  # (N,), sorted
    rows: NDArray[np.int64]  # (N,), beside each key
    starts: NDArray[np.int64]  # first row of each row group

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return the row group of each patch and its row within that group; None if a patch is missing."""
        found = _places_of(self.keys, keys)
        if (found < 0).any():
            return None
        rows = self.rows[found]
        groups = np.searchsorted(self.starts, rows, side="right") - 1
        return groups, rows - self.starts[groups]

    def find_one(self, key: int) -> tuple[int, int] | None:
        """Return what `find` does for one patch, in a tenth of the time."""
        place = _place_of(self.keys, key)
        if place < 0:
            return None
        row = int(self.rows[place])
        group = int(self.starts.searchsorted(row, side="right")) - 1
        return group, row - int(self.starts[group])


class PatchFiles:
    """Reads patches' pixels and vectors; safe to share between threads."""

    def __init__(self, shards: Shards, budget: int = BUDGET_BYTES) -> None:
        self._shards = shards
        self._places = ShardCache(self._read_places, lambda places: 2 * places.keys.nbytes, budget // 8)
        self._images = ShardCache(self._read_images, lambda jpegs: sum(map(len, jpegs)), budget // 8)
        self._vectors = ShardCache(self._read_vectors, lambda vectors: vectors.nbytes, budget // 4)
        self._embeddings = ShardCache(self._read_embeddings, lambda shard: shard[1].nbytes, budget // 2)
        self._lock = threading.RLock()
        self._patches = self._listing("patches")
        self._models: dict[str, _Listing] = {}
        self._ids: dict[str, tuple[str, NDArray[np.uint64]]] = {}  # video → version of its shard, its patches
        self._videos: list[str] = []
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)  # all patches, sorted
        self._owners: NDArray[np.int32] = np.empty(0, np.int32)  # beside each key: the place of its video in _videos

    def refresh(self) -> None:
        """List the folders now; without this call they are listed when they are not fresh."""
        with self._lock:
            self._index(force=True)
            for model in self._models:
                self._folder(model, force=True)

    def video_of(self, patch_id: str) -> str:
        """Return the video of a patch; raises `NotFound`."""
        return self._videos_of([patch_id], _keys([patch_id]))[0]

    def jpeg(self, patch_id: str) -> bytes:
        """Return a patch's 96×96 JPEG; raises `NotFound`."""
        video = self.video_of(patch_id)
        name, version = f"patches/{video}", self._patches.value.get(video, "")
        found = self._places.get(name, version).find_one(int(patch_id, 16))
        if found is None:
            raise NotFound(f"There is no patch {patch_id}.")
        group, row = found
        jpegs = self._images.get(f"{name}:{group}", version)
        if row >= len(jpegs):  # the shard was written again after its ids were read
            raise NotFound(f"There is no patch {patch_id}.")
        return jpegs[row]

    def jpeg_in_memory(self, patch_id: str) -> bytes | None:
        """Return a patch's JPEG if neither a file nor a lock delays it; None otherwise. For the event loop."""
        video = self._video_in_memory(patch_id)
        found = self._row_in_memory(f"patches/{video}", self._patches.value.get(video, ""), patch_id)
        jpegs = self._images.kept(*found[0]) if found else None
        return jpegs[found[1]] if found and jpegs and found[1] < len(jpegs) else None

    def embedding_in_memory(self, model: str, patch_id: str) -> Vectors | None:
        """Return a patch's embedding (E,) under the conditions of `jpeg_in_memory`."""
        video, folder = self._video_in_memory(patch_id), self._models.get(model)
        if not video or folder is None or not folder.is_fresh:
            return None
        found = self._row_in_memory(f"embeddings/{model}/{video}", folder.value.get(video, ""), patch_id)
        vectors = self._vectors.kept(*found[0]) if found else None
        return vectors[found[1]] if found and vectors is not None and found[1] < len(vectors) else None

    def embedded(self, model: str) -> bool:
        """Return whether there are embeddings of this model."""
        return bool(self._folder(model).value)

    def embeddings(self, model: str, patch_ids: Sequence[str]) -> Vectors:
        """Return the embeddings of patches, (N, E) of length 1, in the order asked; raises `NotFound`."""
        keys = _keys(patch_ids)
        wanted: dict[str, list[int]] = {}  # video → places in `patch_ids`
        for place, video in enumerate(self._videos_of(patch_ids, keys)):
            wanted.setdefault(video, []).append(place)
        rows: Vectors = np.empty((0, 0), np.float32)
        for video, places in wanted.items():
            taken = self._rows(model, video, keys[places])
            if taken is None:
                raise NotFound(
                    f"Patch {patch_ids[places[0]]} has no embedding of model {model}. Compute them: transitive embed."
                )
            if not rows.size:
                rows = np.empty((len(patch_ids), taken.shape[1]), np.float32)
            rows[places] = taken
        return rows

    def versions(self, model: str) -> dict[str, str]:
        """Return the shards of a model's embeddings: video → version. The same object as long as nothing changes."""
        return self._folder(model).value

    def video_vectors(self, model: str, video: str, version: str) -> tuple[list[str], Vectors]:
        """Return the patch ids of a video and their embeddings (N, E), of length 1."""
        return self._embeddings.get(f"embeddings/{model}/{video}", version)

    def _listing(self, folder: str) -> _Listing:
        return Remembered(lambda: self._shards.versions(folder), {})

    def _folder(self, model: str, force: bool = False) -> _Listing:
        with self._lock:
            folder = self._models.setdefault(model, self._listing(f"embeddings/{model}"))
            folder.refresh(force)
            return folder

    def _index(self, force: bool = False) -> None:
        if not self._patches.refresh(force):
            return
        for video, version in self._patches.value.items():
            if self._ids.get(video, ("",))[0] != version:
                texts = self._shards.read(f"patches/{video}", ["id"])["id"].to_pylist()
                self._ids[video] = version, _keys(texts)
        self._ids = {video: known for video, known in self._ids.items() if video in self._patches.value}
        self._videos = sorted(self._ids)
        arrays = [self._ids[video][1] for video in self._videos]
        keys = np.concatenate([np.empty(0, np.uint64), *arrays])
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._owners = np.repeat(np.arange(len(arrays), dtype=np.int32), [len(a) for a in arrays])[order]

    def _videos_of(self, patch_ids: Sequence[str], keys: NDArray[np.uint64]) -> list[str]:
        with self._lock:
            self._index()
            found = _places_of(self._keys, keys)
            if (found < 0).any():
                self._index(force=True)
                found = _places_of(self._keys, keys)
            missing = np.flatnonzero(found < 0)
            if len(missing):
                raise NotFound(f"There is no patch {patch_ids[missing[0]]}.")
            return [self._videos[owner] for owner in self._owners[found]]

    def _video_in_memory(self, patch_id: str) -> str:
        """Return the video of a patch; "" if that needs a file or a lock that another thread holds."""
        if not self._lock.acquire(blocking=False):
            return ""
        try:
            place = _place_of(self._keys, int(patch_id, 16)) if self._patches.is_fresh else -1
            return self._videos[self._owners[place]] if place >= 0 else ""
        finally:
            self._lock.release()

    def _row_in_memory(self, name: str, version: str, patch_id: str) -> tuple[tuple[str, str], int] | None:
        """Return the name and version of the row group that holds a patch, and its row there; None if not in memory."""
        places = self._places.kept(name, version)
        found = places.find_one(int(patch_id, 16)) if places else None
        return ((f"{name}:{found[0]}", version), found[1]) if found else None

    def _rows(self, model: str, video: str, keys: NDArray[np.uint64]) -> Vectors | None:
        """Return the embeddings of patches of one video, (N, E); None if one is missing."""
        version = self._folder(model).value.get(video) or self._folder(model, force=True).value.get(video)
        if not version:
            return None
        name = f"embeddings/{model}/{video}"
        found = self._places.get(name, version).find(keys)
        if found is None:
            return None
        groups, rows = found
        taken: Vectors = np.empty((0, 0), np.float32)
        for group in np.unique(groups):
            vectors, here = self._vectors.get(f"{name}:{group}", version), groups == group
            if rows[here].max() >= len(vectors):  # the shard was written again after its ids were read
                return None
            if not taken.size:
                taken = np.empty((len(keys), vectors.shape[1]), np.float32)
            taken[here] = vectors[rows[here]]
        return taken

    def _read_places(self, name: str) -> _Places:
        ids, starts = self._shards.row_groups(name)
        keys = _keys(ids)
        rows = np.argsort(keys, kind="stable")
        return _Places(keys[rows], rows, starts)

    def _read_images(self, name: str) -> list[bytes]:
        shard, _, group = name.rpartition(":")
        jpegs: list[bytes] = self._shards.read_row_group(shard, int(group), ["jpeg"])["jpeg"].to_pylist()
        return jpegs

    def _read_vectors(self, name: str) -> Vectors:
        shard, _, group = name.rpartition(":")
        return self._shards.read_vector_group(shard, int(group)).astype(np.float32, copy=False)

    def _read_embeddings(self, name: str) -> tuple[list[str], Vectors]:
        ids, vectors = self._shards.read_vectors(name)
        return ids, vectors.astype(np.float32, copy=False)


def _keys(patch_ids: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in patch_ids], np.uint64)


def _places_of(ordered: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the place of each key in sorted keys, -1 where it is missing."""
    if not len(ordered):
        return np.full(len(keys), -1, np.int64)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return np.where(ordered[places] == keys, places, np.int64(-1))


def _place_of(ordered: NDArray[np.uint64], key: int) -> int:
    """Return what `_places_of` does for one key, in a tenth of the time."""
    place = int(ordered.searchsorted(np.uint64(key)))
    return place if place < len(ordered) and int(ordered[place]) == key else -1
