"""The vector index of one model, opened for searching."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

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

    def search(self, query: NDArray[np.float32], k: int, plan: Plan, wanted: Selection) -> list[Found]:
        """Return approximately the `k` rows of each segment that are nearest to `query` (D,) of length 1."""
        visited = self.manifest.visited
        return [
            found
            for segment, current in zip(self.segments, plan.current, strict=True)
            for found in segment.search(query, k, current, wanted, visited)
        ]


def index_folder(settings: Settings, model: str) -> Path:
    """Return the local folder of a model's index."""
    return settings.home.absolute() / "indexes" / model
