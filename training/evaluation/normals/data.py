"""The data of surface normals, independent of the layout of the files: frames with depth, scenes with normals."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graph.errors import InvalidInput
from training.evaluation.normals.from_depth import Intrinsics, normals_of


@dataclass(frozen=True)
class Scene:
    """A picture with its true normals: colours (H, W, 3) uint8, normals (H, W, 3) float32, valid pixels (H, W) bool."""

    colours: NDArray[np.uint8]
    normals: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """A picture and its depth image of the same size."""

    name: str
    picture: Image.Image
    depth: NDArray[np.float64]  # (H, W) metres; 0 where depth is missing


class NormalsData(Protocol):
    """Pictures with depth, split into a training and a test part."""

    @property
    def train(self) -> list[int]:
        """The indices of the training pictures."""
        ...

    @property
    def test(self) -> list[int]:
        """The indices of the test pictures."""
        ...

    @property
    def camera(self) -> Intrinsics:
        """The camera of all pictures, in pixels of their full size."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the pictures, their depth and the split."""
        ...

    def read(self, number: int) -> Frame:
        """Read one picture; raises `InvalidInput` for a damaged file."""
        ...


def scene_of(frame: Frame, camera: Intrinsics, width: int, height: int) -> Scene:
    """Resize a picture to (height, width) pixels; the normals at these pixels are fitted to the full-size depth.

    Raises `InvalidInput` for depth without a valid pixel.
    """
    rows = ((np.arange(height) + 0.5) * frame.depth.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * frame.depth.shape[1] / width).astype(np.int64)
    normals, valid = normals_of(frame.depth, camera, rows, columns)
    if not valid.any():
        raise InvalidInput(f"{frame.name} has no valid pixel of depth. Remove the picture and its depth.")
    small = frame.picture.resize((width, height), Image.Resampling.BILINEAR)
    return Scene(np.array(small), normals, valid)
