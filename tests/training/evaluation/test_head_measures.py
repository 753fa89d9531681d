"""Heads in a comparison: trained on every model, kept beside it, one column with the paper's number on its data."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training import small
from tests.training.evaluation.detection.shapes import tiny, write_shapes
from tests.training.evaluation.normals.room import TINY, write_room
from tests.training.small import train_small
from tests.training.tiny import TinySource
from training.evaluation import compare as comparison
from training.evaluation import probe
from training.evaluation.detection.layouts import read_detection
from training.evaluation.detection.presets import get_preset
from training.evaluation.head_measures import HeadMeasure, detection_measure, normals_measure, probe_measure
from training.evaluation.normals.layouts import open_normals_data
from training.evaluation.table import Comparison


@pytest.fixture
def heads(tmp_path: Path, labelled: Path) -> list[HeadMeasure]:
    shapes, room = read_detection(write_shapes(tmp_path / "shapes")), open_normals_data(write_room(tmp_path / "room"))
    return [
        replace(detection_measure(shapes, tiny("faster"), None), paper={"scratch": 0.397}),
        normals_measure(room, TINY, tmp_path / "cache"),
        probe_measure(labelled),
    ]


def test_heads_are_trained_on_every_model_and_kept(
    tmp_path: Path, heads: list[HeadMeasure], monkeypatch: pytest.MonkeyPatch
) -> None:
    train_small(tmp_path, "context", seed=0, changes={"iterations": 2})
    monkeypatch.setattr(comparison, "get_recipe", lambda name, preset, start="": small.small(name))
    monkeypatch.setattr(probe, "PENALTIES", (0.1,))  # tests of the probe itself fit all of them
    stages: list[str] = []

    def run() -> Comparison:
        stages.clear()
        return comparison.compare(
            ("scratch", "context"),
            lambda name: TinySource(),
            tmp_path / "out",
            preset="demo",
            seeds=2,
            initial=tmp_path / "context",
            health=False,
            heads=heads,
            device="cpu",
            progress=lambda stage, done, total, unit: stages.append(stage),
        )

    result = run()
    assert any(stage.startswith("detection, faster") for stage in stages)
    assert [len(result.measures[name]) for name in ("scratch", "context")] == [2, 2]
    detected = [run["detection/mAP"] for run in result.measures["context"]]  # one model, a head of every seed
    table = result.table()
    assert table["context"]["detection/mAP"][0] == pytest.approx(sum(detected) / 2)
    assert [name in run for name in ("probe/conv5/linear",) for run in result.measures["context"]] == [True, False]
    assert table["scratch"]["normals/median"][0] > 0
    lines = result.markdown().splitlines()
    place = lines[0].split(" | ").index("the paper's")
    assert [line.split(" | ")[place] for line in lines[2:]] == ["0.397", ""]

    again = run()
    assert again.measures == result.measures
    assert set(stages) == {"comparison"}  # nothing was trained or measured
    kept = tmp_path / "out" / "scratch-s1-detection.json"
    kept.unlink()
    assert run().measures == result.measures  # from the head's checkpoint


def test_the_papers_number_stands_beside_its_own_data_only(tmp_path: Path) -> None:
    data = read_detection(write_shapes(tmp_path / "shapes"))
    voc = replace(data, train=data.train[:1] * 5011, test=data.test[:1] * 4952)
    fast, faster = get_preset("paper", "fast"), get_preset("paper", "faster")
    assert detection_measure(voc, fast, None).paper["transitive"] == 0.632
    assert detection_measure(voc, faster, None).paper["transitive"] == 0.650
    coco = replace(data, train=data.train[:1] * 118_287, test=data.test[:1] * 5000, metric="coco")
    assert detection_measure(coco, faster, None).paper["transitive"] == 0.235
    assert detection_measure(data, fast, None).paper == {}
    room = open_normals_data(write_room(tmp_path / "room"))
    assert normals_measure(room, TINY, tmp_path).paper == {}
