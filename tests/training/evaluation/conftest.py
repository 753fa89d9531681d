"""A small model and a folder of labelled pictures for the tests of measures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.small import train_small
from training.evaluation.subject import Subject, open_subject


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a trained transitive model with eight channels in every layer."""
    output = tmp_path_factory.mktemp("small model")
    train_small(output, "transitive", changes={"iterations": 2})
    return output / "transitive"


@pytest.fixture
def subject(small_model: Path, tmp_path: Path) -> Subject:
    return open_subject(str(small_model), tmp_path / "results")


@pytest.fixture(scope="session")
def killed_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the data (room, shapes, proposals) and the killed runs (normals, fast, faster) of three heads."""
    folder = tmp_path_factory.mktemp("killed heads")
    subprocess.run([sys.executable, "-m", "tests.training.evaluation.killed_heads", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train and val of three classes told apart by colour: 12 and 6 pictures each."""
    return write_labelled(tmp_path_factory.mktemp("labelled"), {"train": 12, "val": 6})


def write_labelled(folder: Path, counts: dict[str, int]) -> Path:
    """Write folders of three classes told apart by colour, with so many pictures of each class."""
    generator = np.random.default_rng(0)
    for part, count in counts.items():
        for number, name in enumerate(("blue", "green", "red")):
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 90, (100, 120, 3), dtype=np.uint8)
                pixels[..., 2 - number] += 120
                Image.fromarray(pixels).save(folder / part / name / f"{index}.png")
    return folder
