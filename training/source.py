"""What training reads, whoever keeps it: the graph (workers/training_source.py) or a pack file (training/pack.py)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.records import Quadruple

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class PatchRow:
    """One patch as training knows it; `start_id` is the start of its track (its own id for a start)."""

    id: str
    video_id: str
    parent: int  # parent cluster, -1: none (not clustered, or its cluster was dropped); an end inherits its start's
    start_id: str
    held_out: bool = False  # its video is kept out of training


@dataclass(frozen=True)
class PatchTable:
    """Every patch of the generation in columns, sorted by id; N rows."""

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
    """Patches, pairs and pixels of one generation; the same answers whenever it is asked."""

    @property
    def generation(self) -> str:
        """The linking run, "" before there is one (context prediction needs none)."""

    @property
    def fingerprint(self) -> str:
        """A hash of what is read: the generation's edges, or the videos where there is no generation."""

    @property
    def feature_model(self) -> str:
        """What the generation's links were made from: a model's id, or "hog"."""

    @property
    def track_length(self) -> int:
        """Frames from A to A', the fewest; 0 without tracks."""

    def table(self) -> PatchTable:
        """Return every patch, with its video, parent cluster and track."""

    def links(self) -> Iterable[tuple[str, str]]:
        """Yield the ids of every inter-instance edge of the generation, held-out videos included."""

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[Quadruple]:
        """Yield the training quadruples (no held-out video) in this epoch's order, without the first `skip`."""

    def images(self, ids: Sequence[str]) -> list[bytes]:
        """Return the 96x96 JPEG of each patch; raises `StorageError` or `NotFound` naming a missing one."""

    def frames(self) -> Iterator[bytes]:
        """Yield JPEGs of whole frames of training videos, always in the same order."""


@dataclass(frozen=True)
class WithImages:
    """A source whose frames are followed by the images of a folder (`--images DIR`); labels are not looked at."""

    source: TrainingSource
    folder: Path

    @property
    def generation(self) -> str:
        """The generation of the source within."""
        return self.source.generation

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the source within, and the number of images added."""
        return f"{self.source.fingerprint}+{len(self._files)}"

    @property
    def feature_model(self) -> str:
        """The feature model of the source within."""
        return self.source.feature_model

    @property
    def track_length(self) -> int:
        """The track length of the source within."""
        return self.source.track_length

    @cached_property
    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            raise InvalidInput(f"{self.folder} is no folder of images.")
        found = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InvalidInput(f"{self.folder} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
        return found

    def table(self) -> PatchTable:
        """Return the patches of the source within."""
        return self.source.table()

    def links(self) -> Iterable[tuple[str, str]]:
        """Yield the links of the source within."""
        return self.source.links()

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[Quadruple]:
        """Yield the quadruples of the source within."""
        return self.source.quadruples(seed, epoch, skip)

    def images(self, ids: Sequence[str]) -> list[bytes]:
        """Return the patches of the source within."""
        return self.source.images(ids)

    def frames(self) -> Iterator[bytes]:
        """Yield the frames of the source within, then the folder's images."""
        yield from self.source.frames()
        for path in self._files:
            yield path.read_bytes()
