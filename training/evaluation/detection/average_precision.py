"""VOC 2007's average precision: precision at eleven recalls, after its development kit's VOCevaldet.m."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.detection.dataset import Labelled

OVERLAP = 0.5  # least intersection over union of a hit


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


def voc07(truth: Sequence[Labelled], found: Sequence[Found], classes: int) -> list[float]:
    """Return the average precision of labels 1 … `classes`; nan for a class without an object.

    A detection belongs to the object that it overlaps most. The first detection of an object is a hit, every further
    one is wrong, and one of a difficult object counts neither way.
    """
    result = []
    for label in range(1, classes + 1):
        wanted = [one.boxes[one.labels == label] for one in truth]
        ignored = [one.ignored[one.labels == label] for one in truth]
        positives = sum(int((~hard).sum()) for hard in ignored)
        if not positives:
            result.append(float("nan"))
            continue
        listed = [
            (float(score), picture, box)
            for picture, one in enumerate(found)
            for box, score in zip(one.boxes[one.labels == label], one.scores[one.labels == label], strict=True)
        ]
        taken = [np.zeros(len(boxes), np.bool_) for boxes in wanted]
        hits = []
        for _, picture, box in sorted(listed, key=lambda entry: -entry[0]):
            shared = overlaps(box, wanted[picture]) if len(wanted[picture]) else np.zeros(1, np.float32)
            best = int(shared.argmax())
            if shared[best] < OVERLAP:
                hits.append(False)
            elif not ignored[picture][best]:
                hits.append(not taken[picture][best])
                taken[picture][best] = True
        result.append(eleven_points(np.array(hits, np.bool_), positives))
    return result


def voc07_scores(truth: Sequence[Labelled], found: Sequence[Found], classes: Sequence[str]) -> dict[str, float]:
    """Return the average precision by class, and "mAP", the mean over the classes that have an object."""
    each = dict(zip(classes, voc07(truth, found, len(classes)), strict=True))
    known = [value for value in each.values() if not np.isnan(value)]
    return each | {"mAP": float(np.mean(known)) if known else float("nan")}
