"""The reader of NYUv2's labelled pictures: a MATLAB 7.3 file (HDF5) and the file of the official split."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from graph.errors import InvalidInput
from training.evaluation.normals.data import Frame
from training.evaluation.normals.from_depth import Intrinsics

FILE, SPLIT_FILE = "nyu_depth_v2_labeled.mat", "splits.mat"
WHERE = "http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat (2.8 GB)"
WHERE_SPLIT = "http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat"
# The colour camera in the data set's toolbox (camera_params.m); the depth images are registered to this camera.
CAMERA = Intrinsics(518.85790117450188, 519.46961112127485, 325.58244941119034, 253.73616633400465)
_FARTHEST = 10.0  # metres; the toolbox too drops depth beyond the sensor's range


@dataclass(frozen=True)
class NyuFile:
    """The pictures of the file and the official split: 795 training and 654 test pictures."""

    file: Path
    train: list[int]
    test: list[int]
    fingerprint: str
    camera: Intrinsics = CAMERA

    def read(self, number: int) -> Frame:
        """Read a picture with the measured depth (`rawDepths`); in `depths` the holes are filled with estimates."""
        name = f"{self.file}, picture {number + 1}"
        try:
            with h5py.File(self.file, "r") as content:
                # MATLAB stores arrays by columns, so HDF5 returns each picture transposed.
                colours: NDArray[np.uint8] = np.ascontiguousarray(content["images"][number].transpose(2, 1, 0))
                depth = content["rawDepths"][number].T.astype(np.float64)
        except OSError as error:
            raise InvalidInput(f"{name} is damaged ({error}). Download the file again: {WHERE}.") from None
        measured = np.isfinite(depth) & (depth > 0) & (depth < _FARTHEST)
        return Frame(name, Image.fromarray(colours), np.where(measured, depth, 0.0))


def open_nyu(file: Path) -> NyuFile:
    """Check the file's layout and read the split; raises `InvalidInput` that names file and cure."""
    if not file.is_file():
        raise InvalidInput(f"There is no file {file}. NYUv2's labelled pictures are at {WHERE}.")
    try:
        with h5py.File(file, "r") as content:
            images, depths = content.get("images"), content.get("rawDepths")
            fits = isinstance(images, h5py.Dataset) and isinstance(depths, h5py.Dataset)
            shapes = (images.shape, depths.shape) if fits else None
            fits = fits and images.dtype == np.uint8 and depths.dtype.kind == "f"
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be read as MATLAB 7.3, which is HDF5 ({error}). Download it again: {WHERE}."
        ) from None
    if not fits or shapes is None or not _are_nyus(*shapes):
        raise InvalidInput(
            f"{file} is HDF5 of another layout: NYUv2's has `images` (N, 3, W, H) of 8 bits and `rawDepths` (N, W, H) "
            f"in metres. It is at {WHERE}."
        )
    count = shapes[0][0]
    train, test = _read_split(file.parent / SPLIT_FILE, count)
    text = f"{file.name} {file.stat().st_size} {shapes} {train} {test}"
    return NyuFile(file, train, test, blake2b(text.encode(), digest_size=8).hexdigest())


def _are_nyus(images: tuple[int, ...], depths: tuple[int, ...]) -> bool:
    return len(images) == 4 and images[1] == 3 and depths == (images[0], *images[2:])


def _read_split(file: Path, count: int) -> tuple[list[int], list[int]]:
    """Read the numbers of the official split, from 0; raises `InvalidInput`."""
    if not file.is_file():
        raise InvalidInput(f"{file} is missing. It is the official split: {WHERE_SPLIT}. Put it there.")
    try:
        content = loadmat(file)
        train, test = ([int(number) - 1 for number in content[key].ravel()] for key in ("trainNdxs", "testNdxs"))
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise InvalidInput(f"{file} is not a split of NYUv2 ({error!r}). Download it again: {WHERE_SPLIT}.") from None
    listed = train + test
    if not train or not test or min(listed) < 0 or max(listed) >= count or len(set(listed)) < len(listed):
        raise InvalidInput(
            f"{file} does not split {count} pictures into training and test pictures. Download it again: {WHERE_SPLIT}."
        )
    return train, test
