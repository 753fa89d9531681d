"""Tests of selective search: recall of objects in real pictures, and files that are written once."""

from pathlib import Path

import numpy as np
import pytest

from graph.errors import InvalidInput
from tests.training.evaluation.detection.shapes import write_shapes
from training.evaluation.detection.average_precision import overlaps
from training.evaluation.detection.voc import read_voc
from workers.mining.selective_search import propose_for


@pytest.mark.shared
def test_most_objects_of_voc_have_a_proposal(shared_data: Path, tmp_path: Path) -> None:
    pictures = read_voc(shared_data / "detection" / "voc20_mini").test[:6]
    propose_for([(one.id, one.picture) for one in pictures], tmp_path)
    best = [
        overlaps(box, np.load(tmp_path / f"{one.id}.npy")).max() for one in pictures for box in one.boxes[~one.ignored]
    ]
    assert np.mean(np.array(best) >= 0.5) >= 0.8


def test_kept_files_are_not_made_again_and_a_bad_picture_is_named(tmp_path: Path) -> None:
    data = read_voc(write_shapes(tmp_path / "shapes", 2, 1))
    pictures = [(one.id, one.picture) for one in data.train + data.test]
    np.save(tmp_path / f"{pictures[0][0]}.npy", np.zeros((1, 4), np.float32))
    propose_for(pictures, tmp_path)
    assert np.load(tmp_path / f"{pictures[0][0]}.npy").shape == (1, 4)
    boxes = np.load(tmp_path / f"{data.test[0].id}.npy")
    assert (boxes[:, 2] > boxes[:, 0]).all()
    assert overlaps(data.test[0].boxes[0], boxes).max() > 0.7
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match=r"bad\.jpg is not a readable picture"):
        propose_for([*pictures, ("bad", tmp_path / "bad.jpg")], tmp_path)
