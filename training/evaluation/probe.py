"""The probe: kNN and linear classification of labelled pictures by the frozen features of each stage.

The stages are the five convolution stages and the embedding. For each stage, a test picture gets the majority class of
its 20 nearest training pictures, and a linear classifier is fitted to the training pictures. The classifier's penalty
is selected on a fifth of the training pictures, so no selection uses the test pictures. The labels are not used for
training a representation.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graph.atomic_write import atomic_write
from graph.errors import InvalidInput
from graph.nearest import nearest_by_cosine
from graph.records import Progress, no_progress
from training.devices import choose_device, put
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.linear import PENALTIES, choose_penalty, fit
from training.evaluation.retrieval import labelled_files, majority
from training.evaluation.stages import stage_features, stage_names
from training.evaluation.subject import Subject
from training.pictures import SIDE, picture_to_patch

NEIGHBOURS = 20
_BATCH = 64
_TEST_NAMES = ("val", "test")


@dataclass(frozen=True)
class StageScore:
    """The accuracies of one stage on the test pictures, with their 95 % intervals (lower end, upper end)."""

    knn: float
    knn_interval: tuple[float, float]
    linear: float
    linear_interval: tuple[float, float]
    penalty: float  # L2 penalty of the linear classifier, selected on a part of the training pictures


@dataclass(frozen=True)
class LabelledSplit:
    """Training and test pictures of the same classes."""

    train: list[tuple[Path, int]]
    test: list[tuple[Path, int]]
    classes: list[str]
    fingerprint: str  # hash of the files' names, sizes and labels


def read_split(data: Path) -> LabelledSplit:
    """List the pictures in the folders train and val (or test) of `data`; each has one folder of pictures per class.

    Raises `InvalidInput` for a missing folder, and for a class that only one of the two has.
    """
    test = next((data / name for name in _TEST_NAMES if (data / name).is_dir()), data / _TEST_NAMES[0])
    for part in (data / "train", test):
        if not part.is_dir():
            raise InvalidInput(
                f"{part} is missing. {data} must hold train and val, each with one folder of pictures per class "
                "(Imagenette is laid out so: https://github.com/fastai/imagenette)."
            )
    train_files, classes = labelled_files(data / "train")
    test_files, test_classes = labelled_files(test)
    if different := sorted(set(classes) ^ set(test_classes)):
        raise InvalidInput(
            f"Class {different[0]} is in one of {data / 'train'} and {test} only. Give both the same classes."
        )

    listed = [(str(file.relative_to(data)), label, file.stat().st_size) for file, label in train_files + test_files]
    digest = blake2b(json.dumps(listed).encode(), digest_size=8).hexdigest()
    return LabelledSplit(train_files, test_files, classes, digest)


def evaluate_probe(
    subject: Subject, data: Path, output: Path, device: str = "auto", progress: Progress = no_progress
) -> dict[str, StageScore]:
    """Measure every stage and write probe.json to `output`; stages that the file already contains are skipped.

    Raises:
        InvalidInput: a part of the data is missing, a picture cannot be read, or the trunk is not VGG16's.
        Conflict: another probe is writing to `output`.
    """
    split = read_split(data)
    names = stage_names(subject)
    with evaluation_lock(output, "probe"):
        file = output / "probe.json"
        scores = _read_scores(file, subject, split)
        missing = [name for name in names if name not in scores]
        if missing:
            chosen = choose_device(device)
            put(subject.network, chosen)
            train = _features(subject, split.train, missing, chosen, "probe, training pictures", progress)
            test = _features(subject, split.test, missing, chosen, "probe, test pictures", progress)
            labels = np.array([label for _, label in split.train], np.int64)
            truth = np.array([label for _, label in split.test], np.int64)
            total = len(missing) * len(PENALTIES)
            for done, name in enumerate(missing):

                def tried(penalties: int, before: int = done * len(PENALTIES)) -> None:
                    progress("probe, classifiers", before + penalties, total, "classifiers")

                scores[name] = score_stage(train[name], labels, test[name], truth, len(split.classes), tried)
                _write_scores(file, subject, split, data, scores)
    return {name: scores[name] for name in names}


def score_stage(
    train: NDArray[np.float32],
    labels: NDArray[np.int64],
    test: NDArray[np.float32],
    truth: NDArray[np.int64],
    classes: int,
    tried: Callable[[int], None] = lambda penalties: None,
) -> StageScore:
    """Measure (N, D) training vectors with (N,) labels against (M, D) test vectors with (M,) labels.

    `tried` is told after each penalty how many were tried.
    """
    rows, _ = nearest_by_cosine(_unit(train), _unit(test), min(NEIGHBOURS, len(train)))
    knn = int((majority(labels[rows], classes) == truth).sum())
    penalty = choose_penalty(train, labels, classes, PENALTIES, tried)
    linear = int((fit(train, labels, classes, penalty).classify(test) == truth).sum())
    count = len(truth)
    return StageScore(knn / count, wilson(knn, count), linear / count, wilson(linear, count), penalty)


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the lower and upper end of Wilson's 95 % interval for `right` successes of `count` trials.

    Wilson 1927: https://www.jstor.org/stable/2276774.
    """
    z = 1.959964
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return middle - half, middle + half


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _features(
    subject: Subject,
    files: list[tuple[Path, int]],
    names: list[str],
    device: torch.device,
    title: str,
    progress: Progress,
) -> dict[str, NDArray[np.float32]]:
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for first in range(0, len(files), _BATCH):
        some = files[first : first + _BATCH]
        pictures = np.empty((len(some), SIDE, SIDE, 3), np.uint8)
        for place, (path, _) in enumerate(some):
            pictures[place] = picture_to_patch(str(path), path.read_bytes())
        found = stage_features(subject, pictures, device)
        for name in names:
            parts[name].append(found[name])
        progress(title, first + len(some), len(files), "pictures")
    return {name: np.concatenate(vectors) for name, vectors in parts.items()}


def _read_scores(file: Path, subject: Subject, split: LabelledSplit) -> dict[str, StageScore]:
    try:
        kept: dict[str, Any] = json.loads(file.read_text())
        if (kept["model"], kept["fingerprint"]) != (subject.id, split.fingerprint):
            return {}
        ends = ("knn_interval", "linear_interval")  # JSON has no tuples
        return {
            name: StageScore(**{**score, **{end: tuple(score[end]) for end in ends}})
            for name, score in kept["stages"].items()
        }
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):  # no file, or a file of another version
        return {}


def _write_scores(
    file: Path, subject: Subject, split: LabelledSplit, data: Path, scores: dict[str, StageScore]
) -> None:
    facts = {
        "model": subject.id,
        "data": str(data),
        "fingerprint": split.fingerprint,
        "train": len(split.train),
        "test": len(split.test),
        "classes": split.classes,
        "stages": {name: asdict(score) for name, score in scores.items()},
    }
    atomic_write(file, json.dumps(facts, indent=2) + "\n")
