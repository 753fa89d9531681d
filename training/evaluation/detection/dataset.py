"""The pictures, boxes and classes of a detection data set, independent of the layout of its files.

Boxes are in stored pixels: those of the file before its EXIF orientation is applied. VOC's development kit, pycocotools
and the annotation tools read pictures in the same way (docs/decisions/0320-detection-data.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graph.errors import InvalidInput
from training.pictures import read_picture

Metric = Literal["voc07", "coco"]
# Metric → its name, and the address of the paper's data that are measured by it.
_METRICS = {
    "voc07": ("VOC 2007's 11-point AP", "PASCAL VOC 2007, http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"),
    "coco": ("COCO's AP", "COCO, https://cocodataset.org/#download"),
}
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels; the last two excluded


@dataclass(frozen=True)
class Labelled:
    """A picture with its objects."""

    id: str
    picture: Path
    width: int  # stored pixels
    height: int
    boxes: NDArray[np.float32]  # (N, 4) left, top, right, bottom
    labels: NDArray[np.int64]  # (N,) from 1; 0 is the background
    ignored: NDArray[np.bool_]  # (N,) VOC's difficult objects, COCO's crowds: unused in training and measuring
    areas: NDArray[np.float32]  # (N,) pixels²; COCO's are the masks' areas, by which objects are small or large


@dataclass(frozen=True)
class Detection:
    """The training and test pictures of a data set, its classes, and its metric."""

    train: list[Labelled]
    test: list[Labelled]
    classes: list[str]  # label n is classes[n - 1]
    metric: Metric
    fingerprint: str

    @property
    def summary(self) -> str:
        """Say how many pictures and classes there are, how they are measured, and where the paper's data are."""
        measure, paper = _METRICS[self.metric]
        classes = f"{len(self.classes)} {'class' if len(self.classes) == 1 else 'classes'}"
        return (
            f"{len(self.train):,} training and {len(self.test):,} test pictures of {classes}, measured by {measure}. "
            f"The paper's data: {paper}"
        )


def collect(train: list[Labelled], test: list[Labelled], classes: list[str], metric: Metric) -> Detection:
    """Return the data set with a fingerprint of its ids, boxes and labels."""
    listed = ((one.id, one.boxes.tolist(), one.labels.tolist()) for part in (train, test) for one in part)
    digest = blake2b(digest_size=8)
    for entry in listed:
        digest.update(repr(entry).encode())
    return Detection(train, test, classes, metric, digest.hexdigest())


def checked_box(box: Box, width: int, height: int, where: str, tolerance: float) -> Box:
    """Return a box cut to its picture; raises `InvalidInput` if more than `tolerance` pixels lie outside.

    Args:
        box: left, top, right, bottom.
        width: of the picture.
        height: of the picture.
        where: file and object, for the message.
        tolerance: pixels; annotation tools round.
    """
    left, top, right, bottom = box
    inside = left >= -tolerance and top >= -tolerance and right <= width + tolerance and bottom <= height + tolerance
    if not inside:  # also for nan
        raise InvalidInput(f"{where} lies outside the {width}x{height} picture. Correct it.")
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if not (cut[2] > cut[0] and cut[3] > cut[1]):
        raise InvalidInput(f"{where} has no area. Correct or remove it.")
    return cut


def labelled(
    name: str,
    picture: Path,
    size: tuple[int, int],
    boxes: Sequence[Box],
    labels: Sequence[int],
    ignored: Sequence[bool],
    areas: Sequence[float],
) -> Labelled:
    """Return the arrays of one picture."""
    return Labelled(
        name,
        picture,
        *size,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(ignored, np.bool_),
        np.array(areas, np.float32),
    )


def read_stored(one: Labelled) -> Image.Image:
    """Read the stored pixels as 8-bit RGB; raises `InvalidInput` for a damaged picture, or one of another size."""
    picture = read_picture(str(one.picture), one.picture.read_bytes(), upright=False)
    if picture.size != (one.width, one.height):
        raise InvalidInput(
            f"{one.picture} stores {picture.width}x{picture.height} pixels, and its boxes are of a "
            f"{one.width}x{one.height} picture. Save the picture that was annotated, without an EXIF orientation."
        )
    return picture
