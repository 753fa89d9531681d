"""The reader of folders of colour and depth images with the camera's intrinsics.

FOLDER/camera-intrinsics.txt          3×3 matrix in pixels
FOLDER/NAME.color.jpg or .png         with NAME.depth.png: 16 bits, millimetres; 0 and 65535: no depth
FOLDER/rgb_NAME.jpg or .png           with depth_NAME.png: the same
"""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from graph.errors import InvalidInput
from training.evaluation.normals.data import Frame
from training.evaluation.normals.from_depth import Intrinsics
from training.pictures import read_picture

INTRINSICS = "camera-intrinsics.txt"
_NONE = 65535
WHERE = "7-Scenes (https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/) has this layout"
TEST_SHARE = 6  # the last sixth of the pairs, in the order of their names, is the test part


@dataclass(frozen=True)
class DepthFolder:
    """The pairs of colour and depth in a folder, sorted by name, and their camera."""

    pairs: list[tuple[Path, Path]]
    camera: Intrinsics
    fingerprint: str

    @property
    def train(self) -> list[int]:
        """The indices of all pairs before the test pairs."""
        return list(range(len(self.pairs) - len(self.test)))

    @property
    def test(self) -> list[int]:
        """The indices of the last sixth of the pairs; consecutive frames look alike, so the parts are not mixed."""
        return list(range(len(self.pairs) - max(1, len(self.pairs) // TEST_SHARE), len(self.pairs)))

    def read(self, number: int) -> Frame:
        """Read a pair; raises `InvalidInput` for a damaged file or different sizes."""
        colour, depth = self.pairs[number]
        picture = read_picture(str(colour), colour.read_bytes())
        try:
            with Image.open(depth, formats=("PNG",)) as image:
                raw = np.asarray(image).astype(np.float64)
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
            raise InvalidInput(f"{depth} is not a readable depth picture ({error}). Copy it again.") from None
        if raw.shape != (picture.height, picture.width):
            raise InvalidInput(
                f"{depth} has {raw.shape[::-1]} pixels, {colour.name} {picture.size}. Register depth to colour first."
            )
        return Frame(str(depth), picture, np.where((raw <= 0) | (raw >= _NONE), 0.0, raw / 1000))


def open_depth_folder(folder: Path) -> DepthFolder:
    """List the pairs; raises `InvalidInput` that names what is missing."""
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}. It must hold colour and depth; {WHERE}.")
    pairs = []
    for depth in sorted([*folder.glob("*.depth.png"), *folder.glob("depth_*.png")]):
        name = depth.name
        stem = name.replace(".depth.png", ".color") if ".depth." in name else f"rgb_{depth.stem.removeprefix('depth_')}"
        colour = next(
            (folder / f"{stem}{end}" for end in (".jpg", ".png") if (folder / f"{stem}{end}").is_file()), None
        )
        if colour is None:
            raise InvalidInput(f"{depth} has no colour picture {stem}.jpg or {stem}.png beside it. Add it.")
        pairs.append((colour, depth))
    if len(pairs) < 2:
        raise InvalidInput(
            f"{folder} holds {len(pairs)} pairs of NAME.color.jpg and NAME.depth.png; at least two are needed. {WHERE}."
        )
    sizes = "\n".join(f"{a.name} {a.stat().st_size} {b.stat().st_size}" for a, b in pairs)
    camera = read_intrinsics(folder / INTRINSICS)
    return DepthFolder(pairs, camera, blake2b(f"{sizes}\n{camera}".encode(), digest_size=8).hexdigest())


def read_intrinsics(file: Path) -> Intrinsics:
    """Read a 3×3 matrix of intrinsics; raises `InvalidInput`."""
    try:
        matrix = np.loadtxt(file)
    except FileNotFoundError:
        raise InvalidInput(
            f"{file} is missing. It holds the camera's 3×3 matrix: fx 0 cx, 0 fy cy, 0 0 1, in pixels."
        ) from None
    except ValueError as error:
        raise InvalidInput(f"{file} is not a 3×3 matrix of numbers ({error}).") from None
    if matrix.shape != (3, 3) or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InvalidInput(f"{file} is not a camera's 3×3 matrix: fx 0 cx, 0 fy cy, 0 0 1, in pixels.")
    return Intrinsics(matrix[0, 0].item(), matrix[1, 1].item(), matrix[0, 2].item(), matrix[1, 2].item())
