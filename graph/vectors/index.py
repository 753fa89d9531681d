"""The vector index of one model, opened for searching."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from graph.errors import StorageError
from graph.settings import Settings
from graph.vectors.manifest import Manifest, read_manifest
from graph.vectors.segment import Found, Segment
from graph.vectors.selection import Selection

# what numpy and faiss raise for missing and truncated files; a power cut can leave truncated ones
_DAMAGED = (FileNotFoundError, ValueError, EOFError, BadZipFile, RuntimeError)


@dataclass(frozen=True)
class Plan:
    """The data to search for one state of the shards: the videos of each segment, and shards without a segment."""

    versions: Mapping[str, str]  # video → version of its shard
    current: tuple[frozenset[str], ...]  # beside each segment
    uncovered: tuple[str, ...]


@dataclass(frozen=True)
class VectorIndex:
    """The open segments of an index. Threads may share it."""

    manifest: Manifest
    segments: tuple[Segment, ...]

    @classmethod
    def open(cls, folder: Path) -> "VectorIndex | None":
        """Open the index of a folder; returns None if it does not exist, or if its files are missing or damaged."""
        for _ in range(2):  # a build may replace the segments between the two reads
            manifest = read_manifest(folder)
            if manifest is None:
                return None
            with suppress(*_DAMAGED):
                segments = [Segment.open(folder / name, manifest.dimension) for name in manifest.segments]
                return cls(manifest, tuple(segments))
        return None

    def plan(self, versions: Mapping[str, str]) -> Plan:
        """Return the data to search, without rows of deleted videos and of videos that were embedded again."""
        remaining = dict(versions)
        current = []
        for segment in self.segments:
            current.append(segment.current(remaining))
            for video in current[-1]:
                del remaining[video]
        return Plan(versions, tuple(current), tuple(sorted(remaining)))

    def vector(self, patch: str, plan: Plan) -> NDArray[np.float32] | None:
        """Return the vector (D,) of a patch, of length 1 and rounded to float16; None if the index has none."""
        for segment, current in zip(self.segments, plan.current, strict=True):
            found = segment.vector(patch, current)
            if found is not None:
                return found
        return None

    def search(self, query: NDArray[np.float32], k: int, plan: Plan, wanted: Selection) -> list[Found]:
        """Return approximately the `k` rows of each segment that are nearest to `query` (D,) of length 1."""
        visited = self.manifest.visited
        return [
            found
            for segment, current in zip(self.segments, plan.current, strict=True)
            for found in segment.search(query, k, current, wanted, visited)
        ]


def index_folder(settings: Settings, model: str) -> Path:
    """Return the folder of a model's index: beside the shards if TRANSITIVE_DATA_URL names a folder, else in the home.

    An index is mapped into memory, so it cannot be in an object store. Machines that share no home and no data folder
    therefore cannot share an index.
    """
    shared = bool(settings.data_url) and "://" not in settings.data_url
    root = Path(settings.data_url).absolute() if shared else settings.home.absolute()
    return root / "indexes" / model


def known_indexes(settings: Settings) -> dict[str, Manifest]:
    """Return the manifest of every model's index, without indexes that cannot be read."""
    found = {}
    for folder in sorted(index_folder(settings, "any").parent.glob("*")):
        with suppress(StorageError, OSError):
            manifest = read_manifest(folder)
            if manifest is not None:
                found[folder.name] = manifest
    return found
