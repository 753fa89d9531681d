"""COCO: its average precision in closed form, beside VOC's and beside plain loops; its layout; data with a fault."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graph.errors import InvalidInput
from tests.training.evaluation.detection.shapes import tiny, write_shapes
from tests.training.evaluation.detection.test_average_precision import FAR, A, B, found, picture
from tests.training.evaluation.normals.room import narrow_subject
from training.evaluation.detection.average_precision import Found, overlaps, voc07
from training.evaluation.detection.coco import read_coco
from training.evaluation.detection.coco_average_precision import coco_average_precision
from training.evaluation.detection.dataset import Box, Detection, Labelled, labelled, read_stored
from training.evaluation.detection.evaluate import evaluate_detection
from training.evaluation.detection.voc import read_voc
from training.evaluation.head_training import HeadRun

IDS = {"disc": 7, "square": 3}  # COCO's ids have gaps, and need not be in the order of names


def coco_of(part: list[Labelled], classes: list[str], first: int) -> dict[str, Any]:
    """Return the content of an instances file; pictures and annotations are numbered from `first`."""
    images, annotations = [], []
    for number, one in enumerate(part, start=first):
        images.append({"id": number, "file_name": one.picture.name, "width": one.width, "height": one.height})
        for (left, top, right, bottom), label in zip(one.boxes.tolist(), one.labels.tolist(), strict=True):
            facts = {"id": len(annotations) + 1, "image_id": number, "category_id": IDS[classes[label - 1]]}
            size = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            annotations.append({**facts, **size, "iscrowd": 0})
    categories = [{"id": number, "name": name} for name, number in IDS.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    data = read_voc(write_shapes(tmp_path / "shapes"))
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    for split, part, first in (("train2017", data.train, 10), ("val2017", data.test, 50)):
        (folder / split).mkdir()
        for one in part:
            (folder / split / one.picture.name).write_bytes(one.picture.read_bytes())
        text = json.dumps(coco_of(part, data.classes, first))
        (folder / "annotations" / f"instances_{split}.json").write_text(text)
    return folder


def lowered(box: Box, overlap: float) -> Box:
    """Return the box with its height cut to `overlap`, which is then its intersection over union."""
    left, top, right, bottom = box
    return left, top, right, top + (bottom - top) * overlap


def scores(truth: Labelled, detections: Found, classes: int = 1) -> dict[str, float]:
    return coco_average_precision([truth], [detections], classes)


@pytest.mark.parametrize(("overlap", "passed"), [(1.0, 10), (0.76, 6), (0.62, 3), (0.51, 1), (0.4, 0)])
def test_one_box_counts_at_the_overlaps_below_its_own(overlap: float, passed: int) -> None:
    measured = scores(picture([A]), found([lowered(A, overlap)], [0.9]))
    assert measured["AP"] == pytest.approx(passed / 10)
    assert (measured["AP50"], measured["AP75"]) == (overlap >= 0.5, overlap >= 0.75)
    assert measured["AP small"] == measured["AP"]
    assert np.isnan([measured["AP medium"], measured["AP large"]]).all()


@pytest.mark.parametrize(
    ("truth", "detections"),
    [
        (picture([A, B]), found([A, B], [0.9, 0.8])),
        (picture([A, B]), found([FAR, A, B], [0.9, 0.8, 0.7])),
        (picture([A, B], [False, True]), found([B, A], [0.9, 0.8])),
        (picture([A]), found([], [])),
        (picture([A]), found([A], [0.9], label=2)),
    ],
)
def test_it_is_vocs_where_precision_is_the_same_at_all_recalls(truth: Labelled, detections: Found) -> None:
    assert scores(truth, detections)["AP50"] == pytest.approx(voc07([truth], [detections], 1)[0])


def test_one_of_two_objects_is_half_of_101_recalls() -> None:
    assert scores(picture([A, B]), found([A], [0.9]))["AP"] == pytest.approx(51 / 101)


def test_sizes_are_told_by_the_areas_of_the_annotations() -> None:
    box = (0.0, 0.0, 90.0, 90.0)
    for area, name in ((100.0, "small"), (1024.5, "medium"), (9217.0, "large")):
        measured = scores(labelled("p", Path("p"), (100, 100), [box], [1], [False], [area]), found([box], [0.9]))
        known = {key for key in ("small", "medium", "large") if not np.isnan(measured[f"AP {key}"])}
        assert known == {name}


def test_plain_loops_agree_on_random_detections() -> None:
    generator = np.random.default_rng(0)
    truth, detections = [], []
    for _ in range(20):
        corners = generator.integers(0, 60, (4, 2)).astype(np.float32)
        boxes = np.concatenate([corners, corners + generator.integers(10, 40, (4, 2))], axis=1)
        labels = generator.integers(1, 3, 4)
        truth.append(labelled("p", Path("p"), (100, 100), boxes.tolist(), labels.tolist(), [False] * 4, [1.0] * 4))
        moved = np.repeat(boxes, 3, axis=0) + generator.normal(0, 4, (12, 4)).astype(np.float32)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        detections.append(Found(moved, np.repeat(labels, 3), generator.random(12).astype(np.float32)))
    expected = np.mean([loops(truth, detections, label, 0.5) for label in (1, 2)])
    assert coco_average_precision(truth, detections, 2)["AP50"] == pytest.approx(expected, abs=1e-6)
    assert 0.1 < expected < 0.9


def loops(truth: list[Labelled], detections: list[Found], label: int, least: float) -> float:
    """Return the average precision at one overlap: each detection takes the free object that it overlaps most."""
    free = {(n, i) for n, one in enumerate(truth) for i, name in enumerate(one.labels) if name == label}
    count = len(free)
    listed = [
        (score, n, box)
        for n, one in enumerate(detections)
        for box, name, score in zip(one.boxes, one.labels, one.scores, strict=True)
        if name == label
    ]
    right, curve = 0, []
    for done, (_, n, box) in enumerate(sorted(listed, key=lambda entry: -entry[0]), start=1):
        shared = overlaps(box, truth[n].boxes)
        options = [(shared[i], i) for m, i in free if m == n and shared[i] >= least]
        if options:
            free.remove((n, max(options)[1]))
            right += 1
        curve.append((right / count, right / done))
    best = [max((p for r, p in curve if r >= recall - 1e-9), default=0.0) for recall in np.linspace(0, 1, 101)]
    return float(np.mean(best))


def test_the_layout_is_read_and_a_detector_is_measured_on_it(coco: Path, tmp_path: Path) -> None:
    data = read_coco(coco)
    voc = read_voc(tmp_path / "shapes")
    assert data.classes == ["square", "disc"]
    assert [one.id for one in data.train] == ["10", "11", "12", "13"]
    for ours, theirs in zip(data.train + data.test, voc.train + voc.test, strict=True):
        assert np.array_equal(ours.boxes, theirs.boxes)
        assert data.classes[ours.labels[0] - 1] == voc.classes[theirs.labels[0] - 1]
    measured = evaluate_detection(narrow_subject(tmp_path), data, tiny("faster"), HeadRun(tmp_path / "o", device="cpu"))
    assert set(measured) == {"AP", "AP50", "AP75", "AP small", "AP medium"}  # 32² pixels are both small and medium
    assert json.loads((tmp_path / "o" / "detection.json").read_text())["AP"] == measured


def test_2014s_two_training_parts_are_joined(coco: Path) -> None:
    notes, old = coco / "annotations", read_coco(coco)
    whole = json.loads((notes / "instances_train2017.json").read_text())
    part = {**whole, "images": whole["images"][:1], "annotations": whole["annotations"][:1]}
    rest = {**whole, "images": whole["images"][1:], "annotations": whole["annotations"][1:]}
    (notes / "instances_train2014.json").write_text(json.dumps(part))
    (notes / "instances_valminusminival2014.json").write_text(json.dumps(rest))
    (notes / "instances_val2017.json").rename(notes / "instances_minival2014.json")
    (coco / "train2017").rename(coco / "train2014")
    (coco / "val2017").rename(coco / "val2014")
    for image in rest["images"]:
        (coco / "train2014" / image["file_name"]).rename(coco / "val2014" / image["file_name"])
    found = read_coco(coco)
    assert [one.id for one in found.train] == [one.id for one in old.train]
    (notes / "instances_valminusminival2014.json").write_text(json.dumps(whole))
    for image in whole["images"]:
        (coco / "val2014" / image["file_name"]).touch()
    with pytest.raises(InvalidInput, match="have pictures with the same id"):
        read_coco(coco)


def _changed(change: Callable[[dict[str, Any]], object], split: str = "train2017") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / "annotations" / f"instances_{split}.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return spoil


def _emptied(content: dict[str, Any]) -> None:
    content["images"], content["annotations"] = [], []


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / "annotations" / "instances_val2017.json").unlink(), "annotations holds none of .*cocodataset.org"),
    (lambda f: (f / "annotations" / "instances_train2017.json").unlink(), r"instances_train2017\.json is missing"),
    (lambda f: (f / "annotations" / "instances_train2017.json").write_text("{"), "is not a file of COCO instances"),
    (lambda f: (f / "annotations" / "instances_train2017.json").write_text("[]"), "is not a file of COCO instances"),
    (lambda f: (f / "train2017" / "s1.jpg").unlink(), r"s1\.jpg is missing, and .*train2017\.json lists it"),
    (_changed(lambda c: c["annotations"][1].update(image_id=99)), "annotation 2 is of image 99, which is not listed"),
    (
        _changed(lambda c: c["annotations"][1].update(image_id=[1])),
        r"annotation 2 is of image \[1\], which is not listed",
    ),
    (_changed(lambda c: c["annotations"][1].update(id=1)), "two annotations have one id"),
    (_changed(lambda c: c["images"][1].update(id=10)), "two images have one id"),
    (_changed(lambda c: c["categories"][1].update(id=7)), "two categories have one id"),
    (_changed(lambda c: c["categories"][1].update(name="disc")), "two categories have one name"),
    (_changed(lambda c: c["annotations"][1].update(category_id=5)), "annotation 2 has the category 5"),
    (_changed(lambda c: c["categories"].append({"id": 9, "name": "cat"}), "val2017"), r"differ in category 9 \(cat\)"),
    (
        _changed(lambda c: c["annotations"][1].update(bbox=[60, 0, 20, 20])),
        "box of annotation 2 lies outside the 64x64",
    ),
    (_changed(lambda c: c["annotations"][1].update(bbox=[6, 6, 0, 20])), "box of annotation 2 has no area"),
    (_changed(lambda c: c["annotations"][1].update(bbox=[6, 6, float("nan"), 20])), "annotation 2 lies outside"),
    (_changed(lambda c: c["annotations"][1].update(bbox=[1, 2])), "image 11 or an annotation of it lacks a part"),
    (_changed(lambda c: c["images"][1].pop("width")), r"image 11 or .* lacks a part \(KeyError\('width'\)\)"),
    (_changed(_emptied, "val2017"), r"val2017\.json lists no picture"),
    (_changed(lambda c: c.update(annotations=[])), "No picture of .*train2017.json has an object"),
]


@pytest.mark.parametrize(("spoil", "said"), FAULTS)
def test_a_fault_of_the_data_is_named(coco: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(coco)
    with pytest.raises(InvalidInput, match=said):
        read_coco(coco)


def test_the_two_flat_boxes_that_coco_published_are_left_out(coco: Path) -> None:
    def renumber(content: dict[str, Any]) -> None:
        content["images"][1]["id"] = content["annotations"][1]["image_id"] = 200365
        content["annotations"][1]["bbox"] = [6, 6, 1.03, 0.0]

    _changed(renumber)(coco)
    assert read_coco(coco).train[1].boxes.shape == (0, 4)


def test_a_picture_of_another_size_than_annotated_is_named(coco: Path) -> None:
    one = read_coco(coco).train[0]
    Image.new("RGB", (30, 64)).save(one.picture)
    with pytest.raises(InvalidInput, match=r"s0\.jpg stores 30x64 pixels, and its boxes are of a 64x64 picture"):
        read_stored(one)


def test_the_metric_of_a_data_set_is_its_layouts(coco: Path, tmp_path: Path) -> None:
    both: list[Detection] = [read_coco(coco), read_voc(tmp_path / "shapes")]
    assert [one.metric for one in both] == ["coco", "voc07"]
