"""VOC 2007's average precision: precision at eleven recalls, after its development kit's VOCevaldet.m."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.detection.dataset import Labelled

OVERLAP = 0.5  # minimum intersection over union of a hit
_DRAWS = 500


@dataclass(frozen=True)
class Found:
    """The detections in one picture."""

    boxes: NDArray[np.float32]  # (D, 4)
    labels: NDArray[np.int64]  # (D,)
    scores: NDArray[np.float32]  # (D,)


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of one box (4,) with others (N, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inside = np.maximum(high - low, 0).prod(1)
    total = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - inside
    found: NDArray[np.float32] = inside / total
    return found


def eleven_points(hits: NDArray[np.bool_], positives: int) -> float:
    """Return the mean, over recalls 0, 0.1 … 1, of the best precision at that recall or more.

    Args:
        hits: (D,) whether each detection is right, the highest score first.
        positives: number of objects to find.
    """
    right = np.cumsum(hits)
    recall = right / positives
    precision = right / np.arange(1, len(hits) + 1)
    best = [precision[recall >= point / 10 - 1e-12].max(initial=0.0) for point in range(11)]
    return float(np.mean(best))


@dataclass(frozen=True)
class Judged:
    """The detections of one class in one picture, and how many objects there were to find."""

    scores: NDArray[np.float32]  # (D,) the highest first
    hits: NDArray[np.bool_]  # (D,)
    positives: int


def judge(truth: Labelled, found: Found, label: int) -> Judged:
    """Judge the detections of a class in a picture.

    A detection belongs to the object that it overlaps most. The first detection of an object is a hit, every further
    one is wrong, and one of a difficult object counts neither way.
    """
    wanted, ignored = truth.boxes[truth.labels == label], truth.ignored[truth.labels == label]
    boxes, scores = found.boxes[found.labels == label], found.scores[found.labels == label]
    taken = np.zeros(len(wanted), np.bool_)
    kept, hits = [], []
    for place in np.argsort(-scores, kind="stable"):
        shared = overlaps(boxes[place], wanted) if len(wanted) else np.zeros(1, np.float32)
        best = int(shared.argmax())
        if shared[best] >= OVERLAP:
            if ignored[best]:
                continue
            hits.append(not taken[best])
            taken[best] = True
        else:
            hits.append(False)
        kept.append(scores[place])
    return Judged(np.array(kept, np.float32), np.array(hits, np.bool_), int((~ignored).sum()))


def average_precision(pictures: Sequence[Judged]) -> float:
    """Return the average precision of one class over pictures; nan if there is no object."""
    positives = sum(one.positives for one in pictures)
    if not positives:
        return float("nan")
    order = np.argsort(-np.concatenate([one.scores for one in pictures]), kind="stable")
    return eleven_points(np.concatenate([one.hits for one in pictures])[order], positives)


def voc07(truth: Sequence[Labelled], found: Sequence[Found], classes: int) -> list[float]:
    """Return the average precision of labels 1 … `classes`; nan for a class without an object."""
    return [
        average_precision([judge(one, here, label) for one, here in zip(truth, found, strict=True)])
        for label in range(1, classes + 1)
    ]


def voc07_interval(
    truth: Sequence[Labelled], found: Sequence[Found], classes: int, seed: int = 0
) -> tuple[float, float]:
    """Return the ends of the mAP's 95 % interval over test pictures, from 500 draws with replacement."""
    judged = [[judge(one, here, n + 1) for one, here in zip(truth, found, strict=True)] for n in range(classes)]
    draws = np.random.default_rng(seed)
    means = []
    for _ in range(_DRAWS):
        rows = draws.integers(len(truth), size=len(truth))
        each = np.array([average_precision([pictures[row] for row in rows]) for pictures in judged])
        if not np.isnan(each).all():
            means.append(float(np.nanmean(each)))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def voc07_scores(truth: Sequence[Labelled], found: Sequence[Found], classes: Sequence[str]) -> dict[str, float]:
    """Return the average precision by class, and "mAP", the mean over the classes that have an object."""
    each = dict(zip(classes, voc07(truth, found, len(classes)), strict=True))
    known = [value for value in each.values() if not np.isnan(value)]
    return each | {"mAP": float(np.mean(known)) if known else float("nan")}
