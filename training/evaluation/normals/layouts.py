"""The detection of a normals data set's layout from the files at a path."""

from pathlib import Path

from training.evaluation.normals.data import NormalsData
from training.evaluation.normals.depth_folder import open_depth_folder
from training.evaluation.normals.nyu import FILE, open_nyu


def open_normals_data(path: Path) -> NormalsData:
    """Open NYUv2's labelled .mat file, the folder that holds it, or a folder of colour and depth.

    Raises `InvalidInput` that names the missing file and its source.
    """
    if (path / FILE).is_file():
        return open_nyu(path / FILE)
    return open_nyu(path) if path.suffix == ".mat" else open_depth_folder(path)
