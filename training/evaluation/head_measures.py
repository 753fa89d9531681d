"""The measures of a comparison that train a head: probe, detection and surface normals, with the paper's numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.evaluation.detection.dataset import Detection
from training.evaluation.detection.evaluate import evaluate_detection
from training.evaluation.detection.presets import DetectionPreset
from training.evaluation.head_training import HeadRun
from training.evaluation.normals.data import NormalsData
from training.evaluation.normals.evaluate import NormalsPreset, evaluate_normals
from training.evaluation.probe import evaluate_probe, read_split
from training.evaluation.subject import Subject

# Recipe → the paper's number, as a share or in degrees. Its ImageNet rows are supervised.
_TABLES_1_AND_2 = {
    "scratch": 0.397,
    "context": 0.615,
    "tracking": 0.602,
    "transitive": 0.632,
    "multitask": 0.621,
    "transitive-15": 0.615,
    "transitive-hog": 0.604,
    "imagenet": 0.673,
}
_TABLE_3 = {"context": 0.626, "tracking": 0.622, "multitask": 0.624, "transitive": 0.650, "imagenet": 0.709}
_TABLE_4 = {
    "scratch": 0.205,
    "context": 0.227,
    "tracking": 0.226,
    "multitask": 0.220,
    "transitive": 0.235,
    "imagenet": 0.244,
}
_TABLE_5 = {"scratch": 31.3, "context": 29.0, "tracking": 27.8, "transitive": 26.0, "imagenet": 27.8}
# Training and test pictures of the paper's data.
_VOC_2007, _NYU = (5011, 4952), (795, 654)
_COCO = ((118_287, 5000), (117_966, 5000))  # train2017; train2014 with 35,183 of val2014


@dataclass(frozen=True)
class HeadMeasure:
    """A measure that trains a head on a subject, and what its result depends on."""

    name: str
    fingerprint: str  # of data and preset
    measure: Callable[[Subject, HeadRun], dict[str, float]]
    paper: Mapping[str, float] = field(default_factory=dict)  # recipe → the paper's number on the same data
    seeded: bool = True  # whether the head draws random numbers; if not, one model has one result


def probe_measure(data: Path) -> HeadMeasure:
    """Return the probe on `data`, which has the folders train and val; raises `InvalidInput`."""
    split = read_split(data)

    def measure(subject: Subject, run: HeadRun) -> dict[str, float]:
        scores = evaluate_probe(subject, data, run.output, run.device, run.progress)
        knn = {f"{stage}/kNN-20": score.knn for stage, score in scores.items()}
        return knn | {f"{stage}/linear": score.linear for stage, score in scores.items()}

    return HeadMeasure("probe", split.fingerprint, measure, seeded=False)


def detection_measure(data: Detection, preset: DetectionPreset, proposals: Path | None) -> HeadMeasure:
    """Return the measure of a detector with all layers tuned; `proposals` is the folder for Fast R-CNN."""

    def measure(subject: Subject, run: HeadRun) -> dict[str, float]:
        return evaluate_detection(subject, data, preset, run, proposals=proposals)

    sizes = (len(data.train), len(data.test))
    paper: Mapping[str, float] = {}
    if data.metric == "voc07" and sizes == _VOC_2007:
        paper = _TABLES_1_AND_2 if preset.head == "fast" else _TABLE_3
    elif data.metric == "coco" and sizes in _COCO:
        paper = _TABLE_4
    return HeadMeasure("detection", f"{data.fingerprint} {preset}", measure, paper)


def normals_measure(data: NormalsData, preset: NormalsPreset, cache: Path) -> HeadMeasure:
    """Return the measure of surface normals; `cache` is the folder of the fitted normals."""

    def measure(subject: Subject, run: HeadRun) -> dict[str, float]:
        return evaluate_normals(subject, data, preset, run, cache=cache)

    paper = _TABLE_5 if (len(data.train), len(data.test)) == _NYU else {}
    return HeadMeasure("normals", f"{data.fingerprint} {preset}", measure, paper)
