"""The vector index of one model, opened for searching."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.settings import Settings
from graph.vectors.manifest import Manifest, read_manifest
from graph.vectors.segment import Found, Segment
from graph.vectors.selection import Selection


@dataclass(frozen=True)
class Plan:
    """What is searched in one state of the shards: the videos of each segment, and the shards that none holds."""

    versions: Mapping[str, str]  # video → version of its shard
    current: tuple[frozenset[str], ...]  # beside each segment
    uncovered: tuple[str, ...]


@dataclass(frozen=True)
class VectorIndex:
    """The open segments of an index; safe to share between threads."""

    manifest: Manifest
    segments: tuple[Segment, ...]

    @classmethod
    def open(cls, folder: Path) -> "VectorIndex | None":
        """Open the index of a folder; None where there is none, or where its files are gone."""
        for _ in range(2):  # a build may replace the segments between the two reads
            manifest = read_manifest(folder)
            if manifest is None:
                return None
            with suppress(FileNotFoundError):
                segments = [Segment.open(folder / name, manifest.dimension) for name in manifest.segments]
                return cls(manifest, tuple(segments))
        return None

    def plan(self, versions: Mapping[str, str]) -> Plan:
        """Decide what is searched where. Rows of deleted videos, and of videos embedded anew, are left out."""
        remaining = dict(versions)
        current = []
        for segment in self.segments:
            current.append(segment.current(remaining))
            for video in current[-1]:
                del remaining[video]
        return Plan(versions, tuple(current), tuple(sorted(remaining)))

    def search(self, query: NDArray[np.float32], k: int, plan: Plan, wanted: Selection) -> list[Found]:
        """Find about the `k` nearest rows of each segment to `query` (D,) of length 1."""
        visited = self.manifest.visited
        return [
            found
            for segment, current in zip(self.segments, plan.current, strict=True)
            for found in segment.search(query, k, current, wanted, visited)
        ]


def index_folder(settings: Settings, model: str) -> Path:
    """Return the folder of a model's index on this machine."""
    return settings.home.absolute() / "indexes" / model
