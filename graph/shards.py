"""Storage of pixels and vectors in Parquet shards, one per video and kind, at any fsspec address.

    patches/<video>.parquet              id, frame, track, role, jpeg       (96×96, the network's input; section 4.1)
    frames/<video>.parquet               frame, jpeg                        (whole frames for context prediction)
    timelines/<video>.parquet            start_s, end_s, reason, refused, paths     (windows and the boxes over time)
    segments/<part>/<video>.parquet      result of one segment of a long video, until all segments are mined
    features/<model>/<video>.parquet     id, vector (float16)               (pool5, not normalised)
    embeddings/<model>/<video>.parquet   id, vector (float32)               (1024-d, of length 1)

Writes are atomic: a local shard is written to a temporary file, which is then renamed.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from graph.errors import InvalidInput, NotFound, StorageError
from graph.identifiers import require_inside

# Rows of a row group, which is the least that is read. 128 vectors take 0.5 ms, 10,000 take 48 ms (measured).
ROW_GROUP = 128


class Shards:
    """The files below one fsspec address (`settings().data`)."""

    def __init__(self, url: str) -> None:
        """Open the folder at `url`; nothing is created before the first write."""
        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._local = self._fs.protocol == "file" or "file" in self._fs.protocol

    def path(self, name: str) -> str:
        """Return the full path of a shard such as `patches/<video>`; raises `InvalidInput` outside the root."""
        return f"{self._root}/{require_inside(name)}.parquet"

    def exists(self, name: str) -> bool:
        """Return whether shard `name` exists."""
        return bool(self._fs.exists(self.path(name)))

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the shards in a folder (`patches`, `features/<model>`), without the folder."""
        if not self._fs.exists(f"{self._root}/{folder}"):
            return []
        files = self._fs.ls(f"{self._root}/{folder}", detail=False, refresh=True)
        return sorted(f.rsplit("/", 1)[-1].removesuffix(".parquet") for f in files if f.endswith(".parquet"))

    def versions(self, folder: str) -> dict[str, str]:
        """Map the name of each shard in a folder to a text that changes when the shard is rewritten."""
        if not self._fs.exists(f"{self._root}/{folder}"):
            return {}
        entries = self._fs.ls(f"{self._root}/{folder}", detail=True, refresh=True)
        stamps = ("ino", "mtime", "ETag", "LastModified", "etag", "updated", "size")
        return {
            str(entry["name"]).rsplit("/", 1)[-1].removesuffix(".parquet"): ":".join(str(entry.get(s)) for s in stamps)
            for entry in entries
            if str(entry["name"]).endswith(".parquet")
        }

    def delete(self, name: str) -> None:
        """Delete shard `name` if it exists."""
        if self.exists(name):
            self._fs.rm(self.path(name))

    def delete_folder(self, folder: str) -> None:
        """Delete a folder and its content if it exists."""
        if self._fs.exists(f"{self._root}/{folder}"):
            with suppress(FileNotFoundError):  # another process deleted it at the same time
                self._fs.rm(f"{self._root}/{folder}", recursive=True)

    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders in a folder."""
        if not self._fs.exists(f"{self._root}/{folder}"):
            return []
        entries = self._fs.ls(f"{self._root}/{folder}", detail=True, refresh=True)
        return sorted(str(e["name"]).rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory")

    def delete_segments(self, video_id: str) -> None:
        """Delete the results of a video's segments."""
        for path in self._fs.glob(f"{self._root}/segments/*/{video_id}.parquet"):
            self._fs.rm(path)

    def delete_video(self, video_id: str) -> None:
        """Delete every shard of a video: patches, frames, segments, and the vectors of every model."""
        require_inside(video_id)
        for place in ("patches", "frames", "timelines", "segments/*", "features/*", "embeddings/*"):
            for path in self._fs.glob(f"{self._root}/{place}/{video_id}.parquet"):
                self._fs.rm(path)

    def files(self) -> dict[str, int]:
        """Map every file (path from the root) to its size in bytes, without temporary files."""
        if not self._fs.exists(self._root):
            return {}
        found = self._fs.find(self._root, detail=True)
        sizes = {str(path).removeprefix(self._root).lstrip("/"): int(entry["size"]) for path, entry in found.items()}
        return {name: size for name, size in sorted(sizes.items()) if not name.endswith(".partial")}

    def take_out(self, name: str, target: Path) -> None:
        """Copy one of `files` to a local path."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get_file(f"{self._root}/{name}", str(target))

    def put_in(self, source: Path, name: str) -> None:
        """Copy a local file to the path `name` below the root."""
        target = f"{self._root}/{require_inside(name)}"
        self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        self._fs.put_file(str(source), target)

    def write(self, name: str, table: pa.Table, compression: str = "none") -> None:
        """Write a shard of one table; raises `StorageError` when the disk is full."""
        self.write_pieces(name, iter([table]), compression)

    def write_pieces(self, name: str, tables: Iterator[pa.Table], compression: str = "none") -> None:
        """Write a shard of one or more tables, one of them in memory at a time; raises as `write` does."""

        def fill(file: Any) -> None:
            first = next(tables)
            with pq.ParquetWriter(file, first.schema, compression=compression) as writer:
                writer.write_table(first, ROW_GROUP)
                for table in tables:
                    writer.write_table(table, ROW_GROUP)

        self._write(self.path(name), fill)

    def write_matrix(self, name: str, matrix: NDArray[Any]) -> None:
        """Write the bytes of a matrix in row order to NAME.rows, for `read_rows`; raises as `write` does.

        The file is not flushed to disk, so it is for results that can be recomputed after a power cut.
        """
        rows = np.ascontiguousarray(matrix)
        self._write(f"{self._root}/{name}.rows", lambda file: file.write(rows.data), lasting=False)

    def read_rows(self, name: str, start: int, stop: int, width: int) -> NDArray[np.float16]:
        """Read rows `start` to `stop` of a float16 matrix of `width` columns, without the rest of the file.

        Raises as `read` does.
        """
        path = f"{self._root}/{name}.rows"
        rows = np.empty((stop - start, width), np.float16)
        try:
            with self._fs.open(path, "rb") as file:
                file.seek(start * width * rows.itemsize)
                read = file.readinto(rows.reshape(-1).view(np.uint8).data)
        except FileNotFoundError:
            raise NotFound(f"{path} is missing. Start the linking again.") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read ({error}). Start the linking again.") from error
        if read != rows.nbytes:
            raise StorageError(f"{path} is truncated. Start the linking again.")
        return rows

    def _write(self, target: str, fill: Callable[[Any], object], lasting: bool = True) -> None:
        partial = f"{target}.{uuid4().hex}.partial" if self._local else target
        try:
            self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            with self._fs.open(partial, "wb") as file:
                fill(file)
                if self._local and lasting:
                    file.flush()
                    os.fsync(file.fileno())
            if self._local:
                os.replace(partial, target)  # noqa: PTH105
        except BaseException as error:
            if self._local and self._fs.exists(partial):
                self._fs.rm(partial)
            if not isinstance(error, OSError):
                raise
            cure = "Free some space" if error.errno == errno.ENOSPC else "Check its permissions and its storage"
            raise StorageError(f"{target} could not be written: {error.strerror or error}. {cure}.") from error

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a shard; raises `NotFound` when it is missing and `StorageError` when it is truncated."""
        with self._opened(name) as file:
            return file.read(columns=None if columns is None else list(columns))

    def count_rows(self, name: str) -> int:
        """Return the number of rows of a shard from its footer; raises as `read` does."""
        with self._opened(name) as file:
            return int(file.metadata.num_rows)

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        path = self.path(name)
        try:
            with self._fs.open(path, "rb") as file:
                yield pq.ParquetFile(file)
        except FileNotFoundError:
            raise NotFound(f"{path} is missing. Ingest its video or compute its vectors again.") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise StorageError(f"{path} cannot be read ({error}). Delete it and compute it again.") from error

    def _check_model(self, name: str, schema: pa.Schema) -> None:
        """Raise `InvalidInput` if the shard's metadata names another model than its folder."""
        stamp = (schema.metadata or {}).get(b"model", _model(name).encode()).decode()
        if stamp != _model(name):
            raise InvalidInput(
                f"{self.path(name)} contains vectors of model {stamp}, not of {_model(name)}. "
                "Delete it and compute it again."
            )

    def write_rows(self, name: str, columns: dict[str, Any]) -> None:
        """Write a shard of columns of numbers, texts or JPEG bytes; raises as `write` does."""
        self.write(name, pa.table(columns))

    def write_vectors(self, name: str, ids: Sequence[str], vectors: NDArray[Any]) -> None:
        """Write (N, D) float16 or float32 vectors with their N patch ids; raises as `write` does.

        The shard's metadata names the model, which is the name of its folder.
        """
        count, width = vectors.shape
        if count != len(ids):
            raise StorageError(f"{name}: {count} vectors for {len(ids)} ids.")
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        # without nulls, dictionary and statistics, writing is 7 times and reading 10 times as fast (measured)
        kind = pa.list_(pa.field("item", flat.type, nullable=False), width)
        values = pa.FixedSizeListArray.from_arrays(flat, type=kind)
        fields = [pa.field("id", pa.string(), nullable=False), pa.field("vector", kind, nullable=False)]
        table = pa.table([pa.array(list(ids), pa.string()), values], pa.schema(fields, {"model": _model(name)}))
        plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, "row_group_size": ROW_GROUP}
        self._write(self.path(name), lambda file: pq.write_table(table, file, **plain))

    def read_vectors(self, name: str) -> tuple[list[str], NDArray[Any]]:
        """Read the N patch ids and the (N, D) vectors of a shard, in the order in which they were written.

        Raises as `read` does, and `InvalidInput` when the shard belongs to another model.
        """
        table = self.read(name)
        self._check_model(name, table.schema)
        return table["id"].to_pylist(), _matrix(table["vector"])

    def row_groups(self, name: str) -> tuple[list[str], NDArray[np.int64]]:
        """Read the N patch ids of a shard, and the first row of each of its row groups; raises as `read` does."""
        with self._opened(name) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            ids = file.read(columns=["id"])["id"].to_pylist()
        return ids, np.cumsum([0, *sizes[:-1]])

    def read_row_group(self, name: str, group: int, columns: Sequence[str]) -> pa.Table:
        """Read one row group of a shard; raises as `read` does, and `NotFound` for a group that is not there."""
        with self._opened(name) as file:
            if group >= file.num_row_groups:
                raise NotFound(f"{self.path(name)} was written again in the meantime. Try again.")
            return file.read_row_group(group, columns=list(columns))

    def read_vector_group(self, name: str, group: int) -> NDArray[Any]:
        """Read the vectors of one row group of a shard; raises as `read_vectors` does."""
        table = self.read_row_group(name, group, ["vector"])
        self._check_model(name, table.schema)
        return _matrix(table["vector"])

    def all_vectors(self, folder: str) -> Iterator[tuple[str, list[str], NDArray[Any]]]:
        """Yield (video id, patch ids, vectors) for every shard of `features/<model>` or `embeddings/<model>`."""
        for name in self.names(folder):
            ids, vectors = self.read_vectors(f"{folder}/{name}")
            yield name, ids, vectors


def _matrix(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of N lists of D numbers as a matrix (N, D)."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    matrix: NDArray[Any] = array.flatten().to_numpy(zero_copy_only=False).reshape(-1, array.type.list_size)
    return matrix


def _model(name: str) -> str:
    """Return the model's id in the shard name features/<model>/<video>."""
    return name.split("/")[-2]
