"""The patches that are searched for the highest responses of units: from a training source or a folder of pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from training.pictures import SUFFIXES, pictures_to_patches
from training.source import TrainingSource


@dataclass(frozen=True)
class Patches:
    """N patches with the track of each, and a function that reads rows as uint8 (N, 96, 96, 3)."""

    ids: list[str]
    tracks: list[str]
    read: Callable[[Sequence[int]], NDArray[np.uint8]]
    are_graphs: bool  # whether the ids are the graph's

    @property
    def fingerprint(self) -> str:
        """A hash of the ids."""
        return blake2b("\n".join(self.ids).encode(), digest_size=8).hexdigest()


def source_patches(source: TrainingSource) -> Patches:
    """Return all patches of a graph or pack."""
    table = source.table()

    def read(rows: Sequence[int]) -> NDArray[np.uint8]:
        ids = [table.ids[row] for row in rows]
        named = [(f"Patch {patch}", data) for patch, data in zip(ids, source.patch_jpegs(ids), strict=True)]
        return pictures_to_patches(named)

    return Patches(list(table.ids), [str(track) for track in table.track], read, are_graphs=True)


def folder_patches(folder: Path) -> Patches:
    """Return the pictures below a folder, with their relative paths as ids; raises `InvalidInput` if there are none."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InvalidInput(f"{folder} holds no picture. Give a folder of JPEG, PNG or WebP files.")
    ids = [str(file.relative_to(folder)) for file in files]

    def read(rows: Sequence[int]) -> NDArray[np.uint8]:
        return pictures_to_patches([(str(files[row]), files[row].read_bytes()) for row in rows])

    return Patches(ids, ids, read, are_graphs=False)
