"""A data set of bright squares and discs in VOC's layout, and a short training of a detector on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from graph.records import Progress, no_progress
from tests.training.evaluation.normals.room import narrow_subject
from training.evaluation.detection.evaluate import evaluate_detection
from training.evaluation.detection.presets import DetectionPreset, get_preset
from training.evaluation.detection.voc import read_voc
from training.evaluation.head_training import HeadRun, Schedule

SIDE = 64
_XML = (
    "<annotation><object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
    "<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object></annotation>"
)


def tiny(head: str) -> DetectionPreset:
    small = get_preset("cpu-small", head)
    schedule = Schedule(4, 0.01, checkpoint_every=2)
    return replace(small, name="tiny", schedule=schedule, shorter=SIDE, longer=SIDE, hidden=8, rois=8)


def write_shapes(folder: Path, train: int = 4, test: int = 2) -> Path:
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / part).mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = [f"s{number}" for number in range(train + test)]
    for number, name in enumerate(names):
        picture = Image.fromarray(generator.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8))
        x, y = (int(place) for place in generator.integers(2, 26, 2))
        draw = ImageDraw.Draw(picture)
        (draw.rectangle if number % 2 else draw.ellipse)((x, y, x + 31, y + 31), fill=(230, 220, 60))
        picture.save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
        text = _XML.format(name="square" if number % 2 else "disc", x0=x + 1, y0=y + 1, x1=x + 32, y1=y + 32)
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets/Main/trainval.txt").write_text("\n".join(names[:train]) + "\n")
    (folder / "ImageSets/Main/test.txt").write_text("\n".join(names[train:]) + "\n")
    return folder


def write_proposals(folder: Path, data: Path) -> Path:
    """Write twenty random squares for every picture."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for file in sorted((data / "JPEGImages").iterdir()):
        corners = generator.integers(0, 32, (20, 2)).astype(np.float32)
        np.save(folder / f"{file.stem}.npy", np.concatenate([corners, corners + 30], axis=1))
    return folder


def evaluate_shapes(
    data: Path, output: Path, head: str, proposals: Path, progress: Progress = no_progress
) -> dict[str, float]:
    """Train a narrow network and measure it."""
    run = HeadRun(output, device="cpu", progress=progress)
    return evaluate_detection(narrow_subject(output), read_voc(data), tiny(head), run, proposals=proposals)
