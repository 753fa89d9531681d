"""The interface of a training source, and the patch table.

Two sources implement it: the graph (workers/training_source.py) and a pack file (training/pack.py). Patches are named
by their row in the patch table.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from training.pictures import SUFFIXES


@dataclass(frozen=True)
class PatchRow:
    """One patch of the graph."""

    id: str
    video_id: str
    parent: int  # parent cluster, for an end that of its start; -1: not clustered, or its cluster was dropped
    start_id: str  # start of its track; a start's own id
    held_out: bool = False  # whether its video is kept out of training


@dataclass(frozen=True)
class PatchTable:
    """Every patch of a generation in columns, sorted by id; N rows."""

    ids: list[str]
    video: NDArray[np.int32]  # (N,) number of its video
    parent: NDArray[np.int32]  # (N,) parent cluster or -1
    track: NDArray[np.int32]  # (N,) row of its track's start
    held_out: NDArray[np.bool_]  # (N,)

    @staticmethod
    def build(rows: Iterable[PatchRow]) -> "PatchTable":
        """Sort the rows by id and number videos and tracks."""
        ordered = sorted(rows, key=lambda row: row.id)
        place = {row.id: index for index, row in enumerate(ordered)}
        videos = {name: index for index, name in enumerate(sorted({row.video_id for row in ordered}))}
        return PatchTable(
            [row.id for row in ordered],
            np.array([videos[row.video_id] for row in ordered], np.int32),
            np.array([row.parent for row in ordered], np.int32),
            np.array([place.get(row.start_id, index) for index, row in enumerate(ordered)], np.int32),
            np.array([row.held_out for row in ordered], np.bool_),
        )

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each patch id."""
        return {patch: index for index, patch in enumerate(self.ids)}

    def tracks(self, held_out: bool) -> NDArray[np.int64]:
        """Return (T, 2) rows of A and A', in the order of the ends' ids, of training or of held-out videos."""
        ends = np.flatnonzero((self.track != np.arange(len(self.ids))) & (self.held_out == held_out))
        return np.stack([self.track[ends].astype(np.int64), ends], axis=1)


class TrainingSource(Protocol):
    """Patches, pairs and pixels of one generation; every call gives the same answer."""

    @property
    def generation(self) -> str:
        """The linking run; "" without one (context prediction needs none)."""

    @property
    def fingerprint(self) -> str:
        """A hash of the data: of the generation's edges, or without a generation, of the videos."""

    @property
    def feature_model(self) -> str:
        """The features that the links were made from: a model's id, or "hog"."""

    @property
    def track_length(self) -> int:
        """Frames from A to A' of the shortest track; 0 without tracks."""

    def table(self) -> PatchTable:
        """Return every patch, with its video, parent cluster and track."""

    def links(self) -> NDArray[np.int64]:
        """Return every inter-instance edge of the generation, held-out videos included: (L, 2) rows of starts."""

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield the training quadruples in this epoch's order, without the first `skip`.

        Each array is (Q, 4) rows of A, A', B, B', of any length Q; none is from a held-out video.
        """

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return the 96×96 JPEG of each patch; raises `StorageError` or `NotFound` that names a missing one."""

    def frames(self) -> Iterator[bytes]:
        """Yield JPEGs of whole frames of training videos, always in the same order."""


@dataclass(frozen=True)
class NoVideos:
    """A source without videos, for a start that learns from a folder of pictures alone (`WithPictureFolder`)."""

    generation: str = ""
    fingerprint: str = "no videos"
    feature_model: str = ""
    track_length: int = 0

    def table(self) -> PatchTable:
        """Return an empty table."""
        return PatchTable.build([])

    def links(self) -> NDArray[np.int64]:
        """Return no edges, (0, 2)."""
        return np.empty((0, 2), np.int64)

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield nothing."""
        yield from ()

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return an empty list."""
        return []

    def frames(self) -> Iterator[bytes]:
        """Yield nothing."""
        yield from ()


@dataclass(frozen=True)
class WithPictureFolder:
    """A source whose frames are followed by the pictures of a folder (`--images DIR`); labels are not read."""

    source: TrainingSource
    folder: Path

    @property
    def generation(self) -> str:
        """The generation of the wrapped source."""
        return self.source.generation

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the wrapped source and the number of pictures added."""
        return f"{self.source.fingerprint}+{len(self._files)}"

    @property
    def feature_model(self) -> str:
        """The feature model of the wrapped source."""
        return self.source.feature_model

    @property
    def track_length(self) -> int:
        """The track length of the wrapped source."""
        return self.source.track_length

    @cached_property
    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            raise InvalidInput(f"{self.folder} is not a folder of pictures.")
        found = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise InvalidInput(f"{self.folder} holds no picture ({', '.join(SUFFIXES)}).")
        return found

    def table(self) -> PatchTable:
        """Return the patches of the wrapped source."""
        return self.source.table()

    def links(self) -> NDArray[np.int64]:
        """Return the links of the wrapped source."""
        return self.source.links()

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield the quadruples of the wrapped source."""
        return self.source.quadruples(seed, epoch, skip)

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return the patches of the wrapped source."""
        return self.source.patch_jpegs(ids)

    def frames(self) -> Iterator[bytes]:
        """Yield the frames of the wrapped source, then the pictures of the folder."""
        yield from self.source.frames()
        for path in self._files:
            yield path.read_bytes()
