"""A cache of scenes at the size of a preset; fitting the normals of one picture to its depth takes a second."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.atomic_write import replacement
from graph.records import Progress
from training.evaluation.normals.codebook import fit_codebook
from training.evaluation.normals.data import NormalsData, Scene, scene_of
from training.evaluation.normals.from_depth import FLATTEST, LEAST_SHARE, NEAR, RADIUS

_UNIT = 32767  # normals are stored as 16-bit integers, with an error of 0.002 degrees
_PER_SCENE = 2000  # normals of a picture that the codebook is fitted to


@dataclass(frozen=True)
class SceneCache:
    """The scenes of one data set at one size."""

    data: NormalsData
    folder: Path
    width: int
    height: int

    @classmethod
    def below(cls, folder: Path, data: NormalsData, width: int, height: int) -> "SceneCache":
        """Return the cache for this data, size and parameters of the fit; it is a folder in `folder`."""
        fit = f"{RADIUS}-{LEAST_SHARE}-{NEAR}-{FLATTEST}"
        return cls(data, folder / f"{data.fingerprint}-{width}x{height}-{fit}", width, height)

    def fill(self, progress: Progress) -> None:
        """Write the missing files; raises `InvalidInput` for a picture that cannot be used."""
        numbers = [*self.data.train, *self.data.test]
        for done, number in enumerate(numbers, start=1):
            if not self._file(number).is_file():
                self._make(number)
            progress("normals, from depth", done, len(numbers), "pictures")

    def read(self, number: int) -> Scene:
        """Read a scene; a missing or damaged file is written again."""
        try:
            return self._load(number)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            self._make(number)
            return self._load(number)

    def sample(self, seed: int) -> NDArray[np.float32]:
        """Return (N, 3) random valid normals of the training scenes, at most `_PER_SCENE` from each."""
        draws = np.random.default_rng(seed)
        parts = []
        for number in self.data.train:
            scene = self.read(number)
            part = scene.normals[scene.valid]
            parts.append(part[draws.integers(len(part), size=min(_PER_SCENE, len(part)))])
        return np.concatenate(parts)

    def codebook(self, codewords: int, seed: int) -> NDArray[np.float32]:
        """Return the (codewords, 3) unit vectors fitted to the training normals; they are cached too."""
        file = self.folder / f"codebook-{codewords}-s{seed}.npy"
        if file.is_file():
            kept: NDArray[np.float32] = np.load(file)
            return kept
        found = fit_codebook(self.sample(seed), codewords, seed)
        with replacement(file) as temporary, temporary.open("wb") as writer:
            np.save(writer, found)
        return found

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npz"

    def _make(self, number: int) -> None:
        scene = scene_of(self.data.read(number), self.data.camera, self.width, self.height)
        normals = np.round(scene.normals * _UNIT).astype(np.int16)
        with replacement(self._file(number)) as temporary, temporary.open("wb") as writer:
            np.savez(writer, colours=scene.colours, normals=normals)

    def _load(self, number: int) -> Scene:
        with self._file(number).open("rb") as file, np.load(file) as kept:
            normals = kept["normals"].astype(np.float32)
            lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
            return Scene(kept["colours"], normals / np.maximum(lengths, 1), lengths[..., 0] > 0)
