"""Data for surface normals: pictures with normals fitted to their depth, independent of the files' layout."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graph.errors import InvalidInput
from training.evaluation.normals.from_depth import Intrinsics, normals_of


@dataclass(frozen=True)
class Scene:
    """A picture: colours (H, W, 3) uint8, normals (H, W, 3) float32, valid pixels (H, W)."""

    colours: NDArray[np.uint8]
    normals: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """A picture with its depth, both of the same size."""

    name: str
    picture: Image.Image
    depth: NDArray[np.float64]  # (H, W) metres; 0 where there is none


class NormalsData(Protocol):
    """Pictures with depth, some to train on and the others to measure on."""

    @property
    def train(self) -> list[int]:
        """The numbers of the training pictures."""
        ...

    @property
    def test(self) -> list[int]:
        """The numbers of the test pictures."""
        ...

    @property
    def camera(self) -> Intrinsics:
        """The camera of all pictures, in pixels of their full size."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash that determines the pictures and their depth."""
        ...

    def read(self, number: int) -> Frame:
        """Read one picture; raises `InvalidInput` for a damaged file."""
        ...


def scene_of(frame: Frame, camera: Intrinsics, width: int, height: int) -> Scene:
    """Return the picture at (height, width) pixels; normals are fitted to the full-size depth at the sampled pixels.

    Raises `InvalidInput` for depth without a valid pixel.
    """
    rows = ((np.arange(height) + 0.5) * frame.depth.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * frame.depth.shape[1] / width).astype(np.int64)
    normals, valid = normals_of(frame.depth, camera, rows, columns)
    if not valid.any():
        raise InvalidInput(f"{frame.name} has no valid pixel of depth. Remove the picture and its depth.")
    small = frame.picture.resize((width, height), Image.Resampling.BILINEAR)
    return Scene(np.array(small), normals, valid)
