"""Data sets in PASCAL VOC's layout: Annotations/ID.xml, ImageSets/Main/SPLIT.txt, JPEGImages/ID.jpg."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from graph.errors import InvalidInput

WHERE = "PASCAL VOC 2007 is at http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"


@dataclass(frozen=True)
class Labelled:
    """A picture with its objects."""

    id: str
    picture: Path
    boxes: NDArray[np.float32]  # (N, 4) left, top, right, bottom in pixels; the last two excluded
    labels: NDArray[np.int64]  # (N,) from 1; 0 is the background
    difficult: NDArray[np.bool_]  # (N,) ignored by the measure and by the training


@dataclass(frozen=True)
class Detection:
    """The training and test pictures of a data set, and its classes in alphabetical order."""

    train: list[Labelled]
    test: list[Labelled]
    classes: list[str]
    fingerprint: str


def read_voc(folder: Path) -> Detection:
    """Read the splits trainval and test; raises `InvalidInput` that names file and cure."""
    folder = next(
        (inner for inner in (folder, *sorted(folder.glob("VOC2007"))) if (inner / "Annotations").is_dir()), folder
    )
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        if not (folder / part).is_dir():
            raise InvalidInput(f"{folder / part} is missing. Give a folder in VOC's layout; {WHERE}.")
    found = {split: [_read(folder, name) for name in _names(folder, split)] for split in ("trainval", "test")}
    classes = sorted({name for _, _, objects in found["trainval"] for name, _, _ in objects})
    if not classes:
        raise InvalidInput(f"No picture of {folder / 'ImageSets/Main/trainval.txt'} has an object. Give another split.")
    parts = {split: [_labelled(one, classes) for one in pictures] for split, pictures in found.items()}
    text = repr([(one.id, one.boxes.tolist(), one.labels.tolist()) for part in parts.values() for one in part])
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    return Detection(parts["trainval"], parts["test"], classes, digest)


_Object = tuple[str, tuple[float, float, float, float], bool]


def _names(folder: Path, split: str) -> list[str]:
    file = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not file.is_file():
        raise InvalidInput(f"{file} is missing. It lists the ids of the pictures, one a line; {WHERE}.")
    names = [line.split()[0] for line in file.read_text().splitlines() if line.strip()]
    if not names:
        raise InvalidInput(f"{file} lists no picture. Give a split with pictures.")
    return names


def _read(folder: Path, name: str) -> tuple[str, Path, list[_Object]]:
    file = folder / "Annotations" / f"{name}.xml"
    picture = folder / "JPEGImages" / f"{name}.jpg"
    if not picture.is_file():
        raise InvalidInput(f"{picture} is missing, and a split lists {name}. Add it, or take {name} out of the split.")
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 -- a local file that the user names
        objects = [
            (
                (one.findtext("name") or "").strip(),
                [float(one.findtext(f"bndbox/{end}") or "nan") for end in ("xmin", "ymin", "xmax", "ymax")],
                (one.findtext("difficult") or "0").strip() == "1",
            )
            for one in root.iter("object")
        ]
    except FileNotFoundError:
        raise InvalidInput(f"{file} is missing, and a split lists {name}. Add it, or take {name} out.") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise InvalidInput(f"{file} is no VOC annotation ({error}). Copy it anew.") from None
    try:
        with Image.open(picture) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except OSError as error:
        raise InvalidInput(f"{picture} is no picture that can be read ({error}). Copy it anew.") from None
    if turned:
        raise InvalidInput(f"{picture} is stored turned (EXIF), so its boxes could mean either way. Save it upright.")
    checked: list[_Object] = []
    for label, (left, top, right, bottom), difficult in objects:
        # VOC counts pixels from 1 and includes the last; some writers begin at 0, which is let through.
        box = (max(left - 1, 0.0), max(top - 1, 0.0), min(right, float(width)), min(bottom, float(height)))
        if not (left >= 0 and top >= 0 and right <= width + 1 and bottom <= height + 1):
            raise InvalidInput(f"{file}: a box of {label} lies outside the {width}x{height} picture. Correct it.")
        if not (box[2] > box[0] and box[3] > box[1]):
            raise InvalidInput(f"{file}: a box of {label} has no area. Correct or remove it.")
        checked.append((label, box, difficult))
    return name, picture, checked


def _labelled(one: tuple[str, Path, list[_Object]], classes: Sequence[str]) -> Labelled:
    name, picture, objects = one
    for label, _, _ in objects:
        if label not in classes:
            raise InvalidInput(f"{name}.xml has an object {label!r}, and no training picture has. Correct the name.")
    return Labelled(
        name,
        picture,
        np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
        np.array([classes.index(label) + 1 for label, _, _ in objects], np.int64),
        np.array([difficult for _, _, difficult in objects], np.bool_),
    )
