"""A folder of colour and depth pictures of tilted planes, and a short training of normals on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from graph.records import Progress, no_progress
from training.evaluation.head_training import HeadRun, Schedule
from training.evaluation.normals.evaluate import NormalsPreset, evaluate_normals
from training.evaluation.normals.from_depth import Intrinsics
from training.evaluation.normals.layouts import open_normals_data
from training.evaluation.subject import Subject
from training.networks import Network
from training.recipes import get_recipe

CAMERA = Intrinsics(80.0, 80.0, 48.0, 32.0)
TINY = NormalsPreset("tiny", Schedule(6, 0.01, checkpoint_every=2), 48, 32, 8, 2, codewords=4)


def plane_depth(
    normal: np.ndarray, distance: float = 2.0, shape: tuple[int, int] = (64, 96), camera: Intrinsics = CAMERA
) -> np.ndarray:
    """Return the depth image of the plane normal · point = −distance."""
    rows, columns = np.indices(shape)
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(shape)], axis=-1)
    return -distance / (rays @ normal)


def write_room(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", [[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    for index in range(count):
        normal = np.array([0.1 * index - 0.2, 0.1, -1.0])
        depth = plane_depth(normal / np.linalg.norm(normal)) * 1000
        depth[:4] = 65535
        Image.fromarray(depth.round().astype(np.uint16)).save(folder / f"frame-{index}.depth.png")
        colours = np.full((64, 96, 3), 40 * index, np.uint8)
        Image.fromarray(colours).save(folder / f"frame-{index}.color.png")
    return folder


def narrow_subject(folder: Path) -> Subject:
    torch.manual_seed(0)
    recipe = replace(get_recipe("scratch", "cpu-small"), width=0.02, hidden=8, embedding=8)
    return Subject("narrow", Network(recipe).eval(), folder)


def evaluate(data: Path, output: Path, progress: Progress = no_progress) -> dict[str, float]:
    """Train and measure with a narrow network; fitted normals are cached in the output folder."""
    run = HeadRun(output, device="cpu", progress=progress)
    return evaluate_normals(narrow_subject(output), open_normals_data(data), TINY, run, cache=output / "cache")
