"""NYUv2's labelled file: transposed arrays, the official split, measured depth, and files with a fault."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from graph.errors import InvalidInput
from tests.training.evaluation.normals.nyu_file import SHAPE, SMALL_CAMERA, write_nyu
from tests.training.evaluation.normals.room import evaluate
from training.evaluation.normals.codebook import angles
from training.evaluation.normals.data import scene_of
from training.evaluation.normals.layouts import open_normals_data
from training.evaluation.normals.nyu import CAMERA, FILE, SPLIT_FILE


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    return write_nyu(tmp_path / "nyu")


def test_pictures_and_measured_depth_stand_upright(nyu: Path) -> None:
    data = open_normals_data(nyu / FILE)
    assert (data.train, data.test) == ([0, 2, 3], [1, 4])
    assert data.camera == CAMERA
    assert data.fingerprint == open_normals_data(nyu).fingerprint  # the folder will do
    frame = data.read(3)
    rows, columns = np.indices(SHAPE)
    assert np.array_equal(np.asarray(frame.picture), np.stack([rows, columns, np.full(SHAPE, 120)], axis=-1))
    assert (frame.depth[:8, :8] == 0).all()  # not measured
    assert (frame.depth[-8:, -8:] == 0).all()  # at the sensor's end
    scene = scene_of(frame, SMALL_CAMERA, 64, 48)
    truth = np.array([0.1, 0.1, -1.0]) / np.linalg.norm([0.1, 0.1, -1.0])
    found = scene.normals[8:-8, 8:-8].reshape(-1, 3)
    assert scene.valid[8:-8, 8:-8].all()
    assert angles(found, np.broadcast_to(truth, found.shape)).max() < 0.1


def test_normals_are_trained_and_measured_on_the_official_split(nyu: Path, tmp_path: Path) -> None:
    measured = evaluate(nyu, tmp_path / "o")
    facts = json.loads((tmp_path / "o" / "normals.json").read_text())
    assert (facts["train"], facts["test"], facts["measures"]) == (3, 2, measured)


def _without_raw_depths(folder: Path) -> None:
    with h5py.File(folder / FILE, "a") as file:
        del file["rawDepths"]


def _upright(folder: Path) -> None:
    with h5py.File(folder / FILE, "a") as file:
        images = file["images"][()].transpose(0, 2, 3, 1)
        del file["images"]
        file["images"] = images


def _truncated(folder: Path) -> None:
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:5000])


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / FILE).unlink(), r"There is no file .*labeled\.mat\. .*horatio\.cs\.nyu\.edu"),
    (lambda f: (f / FILE).write_bytes(b"MATLAB 5.0 MAT-file" * 20), "cannot be read as MATLAB 7.3"),
    (_truncated, "cannot be read as MATLAB 7.3, which is HDF5 .*truncated"),
    (_without_raw_depths, "is HDF5 of another layout"),
    (_upright, "is HDF5 of another layout"),
    (lambda f: (f / SPLIT_FILE).unlink(), r"splits\.mat is missing\. It is the official split: http"),
    (lambda f: (f / SPLIT_FILE).write_bytes(b"x" * 200), r"splits\.mat is not a split of NYUv2"),
    (lambda f: savemat(f / SPLIT_FILE, {"trainNdxs": [1]}), r"splits\.mat is not a split of NYUv2 \(KeyError"),
    (lambda f: savemat(f / SPLIT_FILE, {"trainNdxs": [1, 2], "testNdxs": [2]}), "does not split 5 pictures"),
    (lambda f: savemat(f / SPLIT_FILE, {"trainNdxs": [1, 2], "testNdxs": [6]}), "does not split 5 pictures"),
]


@pytest.mark.parametrize(("spoil", "said"), FAULTS)
def test_a_fault_of_the_file_is_named(nyu: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(nyu)
    with pytest.raises(InvalidInput, match=said):
        open_normals_data(nyu / FILE)


def test_depth_without_a_measured_pixel_is_named(nyu: Path) -> None:
    with h5py.File(nyu / FILE, "a") as file:
        file["rawDepths"][2] = np.nan
    data = open_normals_data(nyu)
    with pytest.raises(InvalidInput, match="picture 3 has no valid pixel of depth"):
        scene_of(data.read(2), data.camera, 64, 48)
