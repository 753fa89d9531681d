"""Detection: the trunk in the head, proposals, freezing, a killed training, and data sets with a fault."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from safetensors.numpy import load_file

from graph.errors import Conflict, InvalidInput, NotFound
from tests.training.evaluation.detection.shapes import evaluate_shapes, tiny, write_proposals, write_shapes
from tests.training.evaluation.normals.room import narrow_subject
from training.encoder import encode
from training.evaluation.detection.dataset import read_stored
from training.evaluation.detection.detector import Detector
from training.evaluation.detection.evaluate import evaluate_detection
from training.evaluation.detection.presets import get_preset
from training.evaluation.detection.voc import read_voc
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.head_training import HeadRun


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "shapes")


@pytest.mark.parametrize("head", ["fast", "faster"])
def test_the_trunk_in_the_head_is_the_encoders_bit_for_bit(head: str, tmp_path: Path) -> None:
    subject = narrow_subject(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    detector = Detector(subject, 2, tiny(head), "none")
    with torch.inference_mode():
        conv5_3 = detector.trunk(subject.network.prepare(torch.from_numpy(pixels)))
        pool5 = torch.nn.functional.max_pool2d(conv5_3, 2).flatten(1)
    assert conv5_3.shape[2:] == (6, 6)
    assert np.array_equal(pool5.numpy(), encode(subject.network, pixels, "pool5", torch.device("cpu")))


@pytest.mark.parametrize(("freeze", "tuned"), [("none", 13), ("c1", 11), ("c2", 9), ("c3", 6), ("c4", 3), ("c5", 0)])
def test_frozen_stages_are_not_tuned(freeze: str, tuned: int, tmp_path: Path) -> None:
    detector = Detector(narrow_subject(tmp_path), 2, tiny("faster"), freeze)
    convolutions = [layer for layer in detector.features if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.weight.requires_grad for layer in convolutions] == [False] * (13 - tuned) + [True] * tuned


@pytest.mark.parametrize("head", ["fast", "faster"])
def test_a_killed_training_ends_as_one_that_was_not(head: str, killed_heads: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", killed_heads / head
    assert (killed / "checkpoints" / "last.pt").is_file()
    shapes, proposals = killed_heads / "shapes", killed_heads / "proposals"
    scores = [evaluate_shapes(shapes, output, head, proposals) for output in (killed, whole)]
    assert scores[0] == scores[1]
    first, second = (load_file(out / "checkpoints" / "last.safetensors") for out in (killed, whole))
    assert all(np.array_equal(first[name], second[name]) for name in second)
    facts = json.loads((whole / "detection.json").read_text())
    assert set(facts["AP"]) == {"disc", "square", "mAP"}
    with Image.open(whole / "detection.png") as picture:
        assert picture.size == (2 * 324, 16 + 320)


def test_fast_rcnn_trains_on_given_proposals_and_asks_for_missing_ones(shapes: Path, tmp_path: Path) -> None:
    data, subject = read_voc(shapes), narrow_subject(tmp_path)
    with pytest.raises(NotFound, match=r"\.npy is missing. Fast R-CNN needs proposals"):
        evaluate_detection(subject, data, tiny("fast"), HeadRun(tmp_path / "a", device="cpu"), proposals=tmp_path)
    proposals = write_proposals(tmp_path / "proposals", shapes)
    before = subject.features[0].weight.detach().clone()
    scores = evaluate_detection(subject, data, tiny("fast"), HeadRun(tmp_path / "b", device="cpu"), proposals=proposals)
    assert 0 <= scores["mAP"] <= 1
    assert not torch.equal(before, subject.features[0].weight)


def test_boxes_are_read_from_one_and_inclusive(shapes: Path) -> None:
    data = read_voc(shapes)
    assert data.classes == ["disc", "square"]
    assert (len(data.train), len(data.test)) == (4, 2)
    left, top, right, bottom = data.train[0].boxes[0]
    assert (right - left, bottom - top) == (32, 32)


def _replaced(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / "Annotations" / f"{name}.xml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "JPEGImages" / "s1.jpg").unlink(), r"s1\.jpg is missing, and a split lists s1"),
        (lambda folder: (folder / "Annotations" / "s1.xml").unlink(), r"s1\.xml is missing, and a split lists s1"),
        (lambda folder: (folder / "Annotations" / "s1.xml").write_text("<a>"), r"s1\.xml is not a VOC annotation"),
        (lambda folder: (folder / "ImageSets/Main/test.txt").write_text("\n"), r"test\.txt lists no picture"),
        (lambda folder: (folder / "ImageSets/Main/test.txt").unlink(), r"test\.txt is missing"),
        (lambda folder: _replaced(folder, "s1", "<xmax>", "<xmax>9"), r"s1\.xml: a box of square lies outside"),
        (lambda folder: _replaced(folder, "s1", "<xmin>", "<xmin>0.5</xmin><xmin>"), ""),
        (lambda folder: _replaced(folder, "s5", "square", "cat"), "object 'cat', which no training picture has"),
    ],
)
def test_a_fault_of_the_data_is_named(shapes: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(shapes)
    if not said:  # half pixels are let through
        assert read_voc(shapes).train[1].boxes[0, 0] == 0
        return
    with pytest.raises(InvalidInput, match=said):
        read_voc(shapes)


def test_a_box_without_area_and_a_truncated_picture_are_named(shapes: Path, tmp_path: Path) -> None:
    file = shapes / "JPEGImages" / "s1.jpg"
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(InvalidInput, match=r"s1\.jpg is not a readable picture"):
        evaluate_detection(
            narrow_subject(tmp_path), read_voc(shapes), tiny("faster"), HeadRun(tmp_path / "o", device="cpu")
        )
    text = (shapes / "Annotations" / "s2.xml").read_text()
    left = text.split("<xmin>")[1].split("<")[0]
    right = text.split("<xmax>")[1].split("<")[0]
    _replaced(shapes, "s2", f"<xmax>{right}<", f"<xmax>{int(left) - 1}<")
    with pytest.raises(InvalidInput, match=r"s2\.xml: a box of disc has no area"):
        read_voc(shapes)
    with pytest.raises(InvalidInput, match=r"Annotations is missing\. .*voc2007"):
        read_voc(tmp_path)


def test_boxes_of_a_picture_stored_turned_are_in_stored_pixels(shapes: Path, tmp_path: Path) -> None:
    data = read_voc(shapes)
    upright = read_stored(data.train[0]).crop((0, 0, 64, 48))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # a viewer turns it by 90 degrees
    upright.save(shapes / "JPEGImages" / "s0.jpg", quality=95, exif=exif.tobytes())
    box = "<bndbox><xmin>3</xmin><ymin>5</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>"
    text = (
        "<annotation><size><width>{}</width><height>{}</height></size><object><name>disc</name>{}</object></annotation>"
    )
    annotation = shapes / "Annotations" / "s0.xml"
    annotation.write_text(text.format(64, 48, box))
    turned = read_voc(shapes)
    assert turned.train[0].boxes.tolist() == [[2, 4, 60, 40]]
    assert np.abs(np.asarray(read_stored(turned.train[0]), np.int64) - np.asarray(upright)).mean() < 5
    evaluate_detection(narrow_subject(tmp_path), turned, tiny("faster"), HeadRun(tmp_path / "o", device="cpu"))
    annotation.write_text(text.format(48, 64, box))
    with pytest.raises(InvalidInput, match=r"s0\.jpg has an EXIF rotation.*Save the picture upright"):
        read_voc(shapes)


def test_a_second_evaluation_in_one_folder_is_refused(shapes: Path, tmp_path: Path) -> None:
    with (
        evaluation_lock(tmp_path / "o", "detection"),
        pytest.raises(Conflict, match="Another evaluation of detection is runn"),
    ):
        evaluate_detection(
            narrow_subject(tmp_path), read_voc(shapes), tiny("faster"), HeadRun(tmp_path / "o", device="cpu")
        )


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_a_part_with_difficult_objects_only_is_refused_before_training(
    shapes: Path, tmp_path: Path, split: str
) -> None:
    for name in (shapes / f"ImageSets/Main/{split}.txt").read_text().split():
        _replaced(shapes, name, "<difficult>0", "<difficult>1")
    part = "training" if split == "trainval" else "test"
    with pytest.raises(InvalidInput, match=f"No {part} picture has an object"):
        evaluate_detection(
            narrow_subject(tmp_path), read_voc(shapes), tiny("faster"), HeadRun(tmp_path / "o", device="cpu")
        )


def test_presets_keep_the_papers_numbers() -> None:
    fast, faster = get_preset("paper", "fast"), get_preset("paper", "faster")
    assert (fast.schedule.iterations, fast.schedule.learning_rate, fast.deviation) == (150_000, 0.00025, 0.001)
    assert [fast.schedule.rate(step) for step in (49_999, 50_000)] == pytest.approx([0.00025, 0.000025])
    assert (faster.schedule.iterations, faster.schedule.drops) == (35_000, (15_000, 30_000))
    coco = get_preset("paper", "faster", "coco")
    assert (coco.schedule.iterations, coco.schedule.learning_rate, coco.schedule.drops) == (120_000, 0.001, (80_000,))
    assert (faster.batch, coco.batch, coco.anchors) == (8, 8, (64, 128, 256, 512))
    with pytest.raises(InvalidInput, match="--head faster with --format coco"):
        get_preset("paper", "fast", "coco")
    for name, head, said in (("x", "fast", "Unknown preset 'x'"), ("paper", "x", "Unknown head 'x'")):
        with pytest.raises(InvalidInput, match=said):
            get_preset(name, head)
