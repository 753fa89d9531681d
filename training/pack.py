"""Pack files: one generation in a single safetensors file, for training on a machine without the graph.

Reading one needs torch, numpy and safetensors only. Texts are stored as bytes:

    ids            (N, 16) bytes    patch ids, sorted            jpeg, jpeg_end    JPEGs of the patches, concatenated
    video, parent, track, held_out  (N,) as in `PatchTable`      frame, frame_end  JPEGs of whole frames, likewise
    links          (L, 2) rows      inter-instance edges
    quadruples     (Q, 4) rows      A, A', B, B', bucket by bucket; bucket_end (n_buckets,)
    metadata       generation, fingerprint, feature_model, track_length

An epoch has the order of `graph`'s shuffle, as when the graph is read, so the same seed gives the same losses.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from graph.atomic_write import replacement
from graph.errors import NotFound, StorageError
from graph.queries.shuffle import shuffled_buckets
from training.source import PatchTable, TrainingSource

_FORMAT = "transitive-pack-1"
_ID_BYTES = 16
_READ = 1024  # patches read from the shards at a time


def write_pack(
    source: TrainingSource,
    path: Path,
    bucket_of: Callable[[str, str], int],
    buckets: int,
    with_frames: bool = True,
) -> int:
    """Write all data of `source` into one file; returns its size in bytes.

    Args:
        source: of one generation.
        path: of the file, replaced atomically.
        bucket_of: the generation's function from the ids of A and B to the bucket of the edge A–B. It determines the
            order of the training.
        buckets: number of buckets.
        with_frames: whether whole frames are included, which context prediction needs.

    Raises:
        StorageError: the file cannot be written.
    """
    table = source.table()
    filled: list[list[list[int]]] = [[] for _ in range(buckets)]
    for rows in source.quadruples(0, 0, 0):
        for four in rows.tolist():
            filled[bucket_of(table.ids[four[0]], table.ids[four[2]])].append(four)
    jpegs: list[bytes] = []
    for first in range(0, len(table.ids), _READ):
        jpegs += source.patch_jpegs(table.ids[first : first + _READ])
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.frombuffer("".join(table.ids).encode(), np.uint8).reshape(-1, _ID_BYTES),
        "video": table.video,
        "parent": table.parent,
        "track": table.track,
        "held_out": table.held_out,
        "links": source.links().astype(np.int32),
        "quadruples": np.array([four for rows in filled for four in rows], np.int32).reshape(-1, 4),
        "bucket_end": np.cumsum([len(rows) for rows in filled], dtype=np.int64),
        **_concatenated("jpeg", jpegs),
        **_concatenated("frame", list(source.frames()) if with_frames else []),
    }
    about = {"generation": source.generation, "fingerprint": source.fingerprint, "track_length": source.track_length}
    text = json.dumps({**about, "feature_model": source.feature_model, "format": _FORMAT})
    try:
        with replacement(path) as temporary:
            save_file(arrays, temporary, {"pack": text})
    except SafetensorError as error:  # of a full disk, for one
        raise StorageError(
            f"{path} could not be written: {error}. Free some space and run the command again."
        ) from None
    return path.stat().st_size


def _concatenated(name: str, parts: list[bytes]) -> dict[str, NDArray[Any]]:
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {name: np.frombuffer(b"".join(parts), np.uint8), f"{name}_end": ends}


@dataclass(frozen=True)
class PackSource:
    """The training source in a pack file. JPEGs are read from the disk when they are needed.

    Raises:
        NotFound: there is no such file.
        StorageError: the file is truncated, not a pack, or of another version.
    """

    path: Path

    def __post_init__(self) -> None:
        """Open the file immediately, so that a wrong path is reported before any work."""
        _ = self._file

    @cached_property
    def _file(self) -> Any:
        try:
            file: Any = safe_open(self.path, "numpy")
            about = json.loads((file.metadata() or {})["pack"])
        except FileNotFoundError:
            raise NotFound(f"{self.path} does not exist. Make a pack with `transitive export --pack FILE`.") from None
        except (SafetensorError, KeyError, OSError) as error:
            raise StorageError(f"{self.path} is truncated or not a pack file ({error}). Export it again.") from None
        if about["format"] != _FORMAT:
            raise StorageError(f"{self.path} was written by another version ({about['format']}). Export it again.")
        return file

    @cached_property
    def _about(self) -> dict[str, Any]:
        metadata: dict[str, str] = self._file.metadata()
        about: dict[str, Any] = json.loads(metadata["pack"])
        return about

    def _array(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = self._file.get_tensor(name)
        return array

    @property
    def generation(self) -> str:
        """The linking run it was exported from."""
        return str(self._about["generation"])

    @property
    def fingerprint(self) -> str:
        """The fingerprint of that generation."""
        return str(self._about["fingerprint"])

    @property
    def feature_model(self) -> str:
        """The features that its links were made from."""
        return str(self._about["feature_model"])

    @property
    def track_length(self) -> int:
        """Frames from A to A' of the shortest track; 0 without tracks."""
        return int(self._about["track_length"])

    @cached_property
    def _table(self) -> PatchTable:
        flat = self._array("ids").tobytes().decode()
        ids = [flat[first : first + _ID_BYTES] for first in range(0, len(flat), _ID_BYTES)]
        return PatchTable(ids, *(self._array(name) for name in ("video", "parent", "track", "held_out")))

    @cached_property
    def _quadruples(self) -> NDArray[np.int32]:
        return self._array("quadruples")

    @cached_property
    def _bucket_ends(self) -> NDArray[np.int64]:
        return np.concatenate([[0], self._array("bucket_end")])

    @cached_property
    def _patch_ends(self) -> NDArray[np.int64]:
        return np.concatenate([[0], self._array("jpeg_end")])

    def table(self) -> PatchTable:
        """Return every patch."""
        return self._table

    def links(self) -> NDArray[np.int64]:
        """Return every inter-instance edge: (L, 2) rows of starts."""
        return self._array("links").astype(np.int64)

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield the training quadruples in the order that the graph gives them, bucket by bucket: (Q, 4) rows."""
        sizes = np.diff(self._bucket_ends).tolist()
        for rows, order in shuffled_buckets(self._sorted_bucket, sizes, seed, epoch, skip):
            yield rows[order]

    def _sorted_bucket(self, bucket: int) -> NDArray[np.int64]:
        """Read a bucket sorted by (a, b, a', b'): rows of the table have the order of their ids."""
        rows = self._quadruples[self._bucket_ends[bucket] : self._bucket_ends[bucket + 1]].astype(np.int64)
        return rows[np.lexsort((rows[:, 3], rows[:, 1], rows[:, 2], rows[:, 0]))]

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return the JPEG of each patch; raises `NotFound` that names one the pack lacks."""
        row, ends, jpegs = self._table.row, self._patch_ends, self._file.get_slice("jpeg")
        missing = next((patch for patch in ids if patch not in row), None)
        if missing is not None:
            raise NotFound(f"{self.path} lacks patch {missing}. Export the pack again.")
        return [bytes(jpegs[int(ends[row[patch]]) : int(ends[row[patch] + 1])]) for patch in ids]

    def frames(self) -> Iterator[bytes]:
        """Yield the whole frames of the training videos."""
        frames, first = self._file.get_slice("frame"), 0
        for end in self._array("frame_end").tolist():
            yield bytes(frames[first:end])
            first = end
