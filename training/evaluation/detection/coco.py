"""Data sets in COCO's layout: annotations/instances_SPLIT.json and a folder of pictures for each split."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.errors import InvalidInput
from training.evaluation.detection.dataset import Box, Detection, Labelled, checked_box, collect, labelled

WHERE = "COCO is at https://cocodataset.org/#download"
# COCO's own train2017 has a box of height 0 in each of these pictures: github.com/cocodataset/cocoapi/issues/355.
_FLAT_AS_PUBLISHED = (200365, 550395)


@dataclass(frozen=True)
class _Split:
    """A file of annotations and the folder of its pictures."""

    name: str
    pictures: str


@dataclass(frozen=True)
class _Layout:
    train: tuple[_Split, ...]
    test: _Split


# The paper trains on trainval35k and measures on minival (section 6.2), which the release of 2017 calls train and val.
_LAYOUTS = (
    _Layout((_Split("train2017", "train2017"),), _Split("val2017", "val2017")),
    _Layout(
        (_Split("train2014", "train2014"), _Split("valminusminival2014", "val2014")),
        _Split("minival2014", "val2014"),
    ),
    _Layout((_Split("train", "train"),), _Split("val", "val")),
)


def read_coco(folder: Path) -> Detection:
    """Read the training and test parts; classes are in the order of their ids.

    The first of these layouts with a test part is read: 2017's (train2017, val2017), 2014's (train2014,
    valminusminival2014, minival2014), or train and val. Raises `InvalidInput` that names file and cure.
    """
    layout = next((one for one in _LAYOUTS if _file(folder, one.test).is_file()), None)
    if layout is None:
        tests = ", ".join(f"instances_{one.test.name}.json" for one in _LAYOUTS)
        raise InvalidInput(f"{folder / 'annotations'} holds none of {tests}. Give a folder in COCO's layout; {WHERE}.")
    train = [_Annotations.read(folder, split) for split in layout.train]
    test = _Annotations.read(folder, layout.test)
    categories = train[0].categories
    for other in (*train[1:], test):
        if other.categories != categories:
            different = sorted(set(other.categories.items()) ^ set(categories.items()))[0]
            raise InvalidInput(
                f"{other.file} and {train[0].file} differ in category {different[0]} ({different[1]}). "
                "Give both the same categories."
            )
    pictures = [one for part in train for one in part.pictures()]
    if len({one.id for one in pictures}) < len(pictures):
        raise InvalidInput(f"{train[0].file} and {train[1].file} have pictures with the same id. Make the ids differ.")
    if not any(len(one.boxes) for one in pictures):
        raise InvalidInput(f"No picture of {train[0].file} has an object. Give another training part.")
    return collect(pictures, test.pictures(), list(categories.values()), "coco")


def _file(folder: Path, split: _Split) -> Path:
    return folder / "annotations" / f"instances_{split.name}.json"


@dataclass(frozen=True)
class _Annotations:
    """One annotation file, its ids checked."""

    file: Path
    folder: Path  # of the pictures
    categories: dict[int, str]  # by id, in the order of ids
    images: dict[int, dict[str, Any]]
    annotations: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path, split: _Split) -> "_Annotations":
        file = _file(folder, split)
        try:
            content = json.loads(file.read_text())
            categories = {int(one["id"]): str(one["name"]) for one in content["categories"]}
            images = {int(one["id"]): one for one in content["images"]}
            annotations: list[dict[str, Any]] = content["annotations"]
            ids = {int(one["id"]) for one in annotations}
        except FileNotFoundError:
            raise InvalidInput(f"{file} is missing. {WHERE}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{file} is not a file of COCO instances ({error!r}). Copy it again.") from None
        for what, found, listed in (
            ("categories", categories, content["categories"]),
            ("images", images, content["images"]),
            ("annotations", ids, annotations),
        ):
            if len(found) < len(listed):
                raise InvalidInput(f"{file}: two {what} have one id. Give each an id of its own.")
        if len(set(categories.values())) < len(categories):
            raise InvalidInput(f"{file}: two categories have one name. Give each a name of its own.")
        if not images:
            raise InvalidInput(f"{file} lists no picture. Give a split with pictures.")
        return cls(file, folder / split.pictures, dict(sorted(categories.items())), images, annotations)

    def pictures(self) -> list[Labelled]:
        """Return the pictures with their objects; raises `InvalidInput` for what does not fit together."""
        present = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        of_image = defaultdict(list)
        for one in self.annotations:
            image = one.get("image_id")
            if not isinstance(image, int) or image not in self.images:
                raise InvalidInput(
                    f"{self.file}: annotation {one['id']} is of image {image}, which is not listed. "
                    "Add the image, or remove the annotation."
                )
            of_image[image].append(one)
        labels = {number: label for label, number in enumerate(self.categories, start=1)}
        return [self._picture(number, of_image[number], labels, present) for number in self.images]

    def _picture(
        self, number: int, annotations: list[dict[str, Any]], labels: dict[int, int], present: set[str]
    ) -> Labelled:
        image = self.images[number]
        boxes: list[Box] = []
        kept = []
        try:
            path, size = self.folder / image["file_name"], (int(image["width"]), int(image["height"]))
            if path.name not in present:
                raise InvalidInput(f"{path} is missing, and {self.file} lists it. Add it, or take it out. {WHERE}.")
            for one in annotations:
                x, y, width, height = (float(value) for value in one["bbox"])
                if number in _FLAT_AS_PUBLISHED and height == 0:
                    continue
                where = f"{self.file}: the box of annotation {one['id']}"
                boxes.append(checked_box((x, y, x + width, y + height), *size, where, tolerance=1))
                if one["category_id"] not in labels:
                    raise InvalidInput(
                        f"{self.file}: annotation {one['id']} has the category {one['category_id']}, which is not "
                        "listed. Correct it."
                    )
                kept.append(one)
            crowds = [bool(one.get("iscrowd", 0)) for one in kept]
            areas = [float(one["area"]) for one in kept]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(
                f"{self.file}: image {number} or an annotation of it lacks a part ({error!r})."
            ) from None
        return labelled(str(number), path, size, boxes, [labels[one["category_id"]] for one in kept], crowds, areas)
