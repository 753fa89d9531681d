"""A small file in the layout of NYUv2's labelled pictures, and a file of its official split."""

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from tests.training.evaluation.normals.room import plane_depth
from training.evaluation.normals.from_depth import Intrinsics
from training.evaluation.normals.nyu import CAMERA, FILE, SPLIT_FILE

SHAPE = (48, 64)  # rows, columns
TRAIN, TEST = [1, 3, 4], [2, 5]  # from 1, as MATLAB counts
SMALL_CAMERA = Intrinsics(CAMERA.fx / 10, CAMERA.fy / 10, CAMERA.cx / 10, CAMERA.cy / 10)


def write_nyu(folder: Path) -> Path:
    """Write five tilted planes, each with a hole in its measured depth; colours encode row and column."""
    folder.mkdir()
    colours, depths, raw = [], [], []
    rows, columns = np.indices(SHAPE)
    for number in range(5):
        normal = np.array([0.1 * number - 0.2, 0.1, -1.0])
        depth = plane_depth(normal / np.linalg.norm(normal), shape=SHAPE, camera=SMALL_CAMERA).astype(np.float32)
        measured = depth.copy()
        measured[:8, :8] = 0
        measured[-8:, -8:] = 10
        colours.append(np.stack([rows, columns, np.full(SHAPE, 40 * number)], axis=-1).astype(np.uint8))
        depths.append(depth)
        raw.append(measured)
    # MATLAB's arrays are H×W×3×N with the first index running fastest, so HDF5 shows them reversed: N×3×W×H.
    with h5py.File(folder / FILE, "w") as file:
        file["images"] = np.stack(colours, axis=-1).transpose()
        file["depths"] = np.stack(depths, axis=-1).transpose()
        file["rawDepths"] = np.stack(raw, axis=-1).transpose()
    savemat(folder / SPLIT_FILE, {"trainNdxs": np.array(TRAIN)[:, None], "testNdxs": np.array(TEST)[:, None]})
    return folder
