"""Data sets in PASCAL VOC's layout: Annotations/ID.xml, ImageSets/Main/SPLIT.txt, JPEGImages/ID.jpg."""

from pathlib import Path
from xml.etree import ElementTree

from PIL import ExifTags, Image

from graph.errors import InvalidInput
from training.evaluation.detection.dataset import Box, Detection, Labelled, checked_box, collect, labelled

WHERE = "PASCAL VOC 2007 is at http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"
_ENDS = ("xmin", "ymin", "xmax", "ymax")
_Object = tuple[str, Box, bool]
_Annotated = tuple[str, Path, tuple[int, int], list[_Object]]


def read_voc(folder: Path) -> Detection:
    """Read the splits trainval and test; classes are alphabetical. Raises `InvalidInput` that names file and cure."""
    folder = next(
        (inner for inner in (folder, *sorted(folder.glob("VOC2007"))) if (inner / "Annotations").is_dir()), folder
    )
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        if not (folder / part).is_dir():
            raise InvalidInput(f"{folder / part} is missing. Give a folder in VOC's layout; {WHERE}.")
    train, test = ([_read(folder, name) for name in _names(folder, split)] for split in ("trainval", "test"))
    classes = sorted({name for *_, objects in train for name, _, _ in objects})
    if not classes:
        raise InvalidInput(f"No picture of {folder / 'ImageSets/Main/trainval.txt'} has an object. Give another split.")
    return collect(
        [_labelled(one, classes) for one in train], [_labelled(one, classes) for one in test], classes, "voc07"
    )


def _names(folder: Path, split: str) -> list[str]:
    file = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not file.is_file():
        raise InvalidInput(f"{file} is missing. It lists the ids of the pictures, one a line; {WHERE}.")
    names = [line.split()[0] for line in file.read_text().splitlines() if line.strip()]
    if not names:
        raise InvalidInput(f"{file} lists no picture. Give a split with pictures.")
    return names


def _read(folder: Path, name: str) -> _Annotated:
    file = folder / "Annotations" / f"{name}.xml"
    picture = folder / "JPEGImages" / f"{name}.jpg"
    if not picture.is_file():
        raise InvalidInput(f"{picture} is missing, and a split lists {name}. Add it, or remove {name} from the split.")
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 -- a local file that the user names
        objects = [
            (
                (one.findtext("name") or "").strip(),
                [float(one.findtext(f"bndbox/{end}") or "nan") for end in _ENDS],
                (one.findtext("difficult") or "0").strip() == "1",
            )
            for one in root.iter("object")
        ]
        said = tuple(int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except FileNotFoundError:
        raise InvalidInput(
            f"{file} is missing, and a split lists {name}. Add it, or remove {name} from the split."
        ) from None
    except (ElementTree.ParseError, ValueError) as error:
        raise InvalidInput(f"{file} is not a VOC annotation ({error}). Copy it again.") from None
    width, height = _stored_size(picture, said)
    checked: list[_Object] = []
    for label, (left, top, right, bottom), difficult in objects:
        # VOC counts pixels from 1, and a box includes its last pixel. Some writers count from 0, which is accepted.
        box = checked_box((left - 1, top - 1, right, bottom), width, height, f"{file}: a box of {label}", tolerance=1)
        checked.append((label, box, difficult))
    return name, picture, (width, height), checked


def _stored_size(picture: Path, said: tuple[int, ...]) -> tuple[int, int]:
    """Return width and height as stored; raises `InvalidInput` if the annotation has those after rotation by EXIF."""
    try:
        with Image.open(picture) as image:
            size = image.size
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except OSError as error:
        raise InvalidInput(f"{picture} is not a readable picture ({error}). Copy it again.") from None
    if orientation >= 5 and size[0] != size[1] and said == size[::-1]:  # 5 to 8 rotate by 90 degrees
        raise InvalidInput(
            f"{picture} has an EXIF rotation, and its annotation has the size after the rotation; boxes must be "
            "in stored pixels. Save the picture upright."
        )
    return size


def _labelled(one: _Annotated, classes: list[str]) -> Labelled:
    name, picture, size, objects = one
    for label, _, _ in objects:
        if label not in classes:
            file = picture.parents[1] / "Annotations" / f"{name}.xml"
            raise InvalidInput(f"{file} has an object {label!r}, which no training picture has. Correct the name.")
    boxes = [box for _, box, _ in objects]
    return labelled(
        name,
        picture,
        size,
        boxes,
        [classes.index(label) + 1 for label, _, _ in objects],
        [difficult for _, _, difficult in objects],
        [(right - left) * (bottom - top) for left, top, right, bottom in boxes],
    )
