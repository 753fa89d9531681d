"""A source goes into one file; a source comes back from it on a machine that reaches neither Neo4j nor the shards.

The file is safetensors (needs torch, numpy and safetensors, no more); texts are bytes:

    ids            (N, 16) bytes    patch ids, sorted            jpeg, jpeg_end    patches' JPEGs end to end
    video, parent, track, held_out  (N,) as in `PatchTable`      frame, frame_end  whole frames, likewise
    links          (L, 2) rows      inter-instance edges
    quadruples     (Q, 4) rows      A, A', B, B', bucket by bucket; bucket_end (n_buckets,)
    metadata       generation, fingerprint, feature_model, track_length

The order of an epoch is made by `graph.shuffle`, as it is for the graph, so the same seed gives the same losses.
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

from graph.errors import NotFound, StorageError
from graph.records import Quadruple
from graph.shuffle import shuffled
from training.source import PatchTable, TrainingSource

_FORMAT = "transitive-pack-1"
_ID_BYTES = 16
_READ = 1024  # patches read from the shards at a time


def write_pack(
    source: TrainingSource, path: Path, bucket_of: Callable[[Quadruple], int], buckets: int, with_frames: bool = True
) -> int:
    """Write everything `source` gives into one file, whole or not at all; returns its size in bytes.

    `bucket_of` and `buckets` are the generation's own (the bucket of the edge A–B): they fix the sequence.
    """
    table = source.table()
    row = table.row
    filled: list[list[tuple[int, int, int, int]]] = [[] for _ in range(buckets)]
    for q in source.quadruples(0, 0, 0):
        filled[bucket_of(q)].append((row[q.a], row[q.a_prime], row[q.b], row[q.b_prime]))
    jpegs: list[bytes] = []
    for first in range(0, len(table.ids), _READ):
        jpegs += source.images(table.ids[first : first + _READ])
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.frombuffer("".join(table.ids).encode(), np.uint8).reshape(-1, _ID_BYTES),
        "video": table.video,
        "parent": table.parent,
        "track": table.track,
        "held_out": table.held_out,
        "links": np.array([(row[a], row[b]) for a, b in source.links()], np.int32).reshape(-1, 2),
        "quadruples": np.array([four for rows in filled for four in rows], np.int32).reshape(-1, 4),
        "bucket_end": np.cumsum([len(rows) for rows in filled], dtype=np.int64),
        **_joined("jpeg", jpegs),
        **_joined("frame", list(source.frames()) if with_frames else []),
    }
    about = {"generation": source.generation, "fingerprint": source.fingerprint, "track_length": source.track_length}
    text = json.dumps({**about, "feature_model": source.feature_model, "format": _FORMAT})
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, partial, {"pack": text})
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"{path} could not be written: {error}. Free some space and run the command again."
        ) from None
    return path.stat().st_size


def _joined(name: str, parts: list[bytes]) -> dict[str, NDArray[Any]]:
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {name: np.frombuffer(b"".join(parts), np.uint8), f"{name}_end": ends}


@dataclass(frozen=True)
class PackSource:
    """What training reads, out of a pack file; JPEGs are read from the disk when asked for."""

    path: Path

    @cached_property
    def _file(self) -> Any:
        try:
            file: Any = safe_open(self.path, "numpy")
            about = json.loads((file.metadata() or {})["pack"])
        except FileNotFoundError:
            raise NotFound(f"{self.path} is no pack file. Make one with `transitive export --pack FILE`.") from None
        except (SafetensorError, KeyError, OSError) as error:
            raise StorageError(f"{self.path} is cut short or no pack file ({error}). Export it again.") from None
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
        """What its links were made from."""
        return str(self._about["feature_model"])

    @property
    def track_length(self) -> int:
        """Frames from A to A', the fewest; 0 without tracks."""
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

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield every inter-instance edge."""
        ids = self._table.ids
        for a, b in self._array("links").tolist():
            yield ids[a], ids[b]

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[Quadruple]:
        """Yield the training quadruples in the order the graph gives them."""
        ends = self._bucket_ends
        for some in shuffled(self._bucket, np.diff(ends).tolist(), seed, epoch, skip):
            yield from some

    def _bucket(self, bucket: int) -> list[Quadruple]:
        ids, parent = self._table.ids, self._table.parent
        rows = self._quadruples[self._bucket_ends[bucket] : self._bucket_ends[bucket + 1]].tolist()
        return [Quadruple(ids[a], ids[c], ids[b], ids[d], int(parent[a]), int(parent[b])) for a, c, b, d in rows]

    def images(self, ids: Sequence[str]) -> list[bytes]:
        """Return the JPEG of each patch; raises `NotFound` naming one the pack lacks."""
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
