"""COCO's average precision over overlaps and sizes of objects (https://cocodataset.org/#detection-eval)."""

import warnings
from collections.abc import Sequence
from typing import Any

from training.evaluation.detection.average_precision import Found
from training.evaluation.detection.dataset import Labelled

# Ours → the name in the library's results. The paper's table 4 has these columns.
_COLUMNS = {
    "AP": "AP_all",
    "AP50": "AP_50",
    "AP75": "AP_75",
    "AP small": "AP_small",
    "AP medium": "AP_medium",
    "AP large": "AP_large",
}


def coco_average_precision(truth: Sequence[Labelled], found: Sequence[Found], classes: int) -> dict[str, float]:
    """Return table 4's columns, means over the labels 1 … `classes` that have objects; nan if there are none.

    AP is the mean over overlaps .50, .55 … .95 of the precision at 101 recalls, from the 100 best detections of a
    picture. Small is below 32² pixels, large from 96² on. A crowd is not a positive, and detections of it are ignored.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    annotations = [
        _annotation(picture, box.tolist(), int(label)) | {"area": float(area), "iscrowd": int(crowd)}
        for picture, one in enumerate(truth, start=1)
        for box, label, crowd, area in zip(one.boxes, one.labels, one.ignored, one.areas, strict=True)
    ]
    results = [
        _annotation(picture, box.tolist(), int(label)) | {"score": float(score)}
        for picture, one in enumerate(found, start=1)
        for box, label, score in zip(one.boxes, one.labels, one.scores, strict=True)
    ]
    if not annotations:
        return dict.fromkeys(_COLUMNS, float("nan"))
    images = [{"id": n, "width": one.width, "height": one.height} for n, one in enumerate(truth, start=1)]
    # The library takes an annotation's id 0 for "not matched", so ids begin at 1.
    numbered = [{"id": n} | one for n, one in enumerate(annotations, start=1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = COCO({"images": images, "annotations": numbered, "categories": [{"id": n + 1} for n in range(classes)]})
        evaluation = COCOeval_faster(known, known.loadRes(results), "bbox")
        evaluation.run()
    measured = evaluation.stats_as_dict
    # −1 is the library's mark for a size without objects.
    return {ours: float(measured[name]) if measured[name] >= 0 else float("nan") for ours, name in _COLUMNS.items()}


def _annotation(picture: int, box: list[float], label: int) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"image_id": picture, "category_id": label, "bbox": [left, top, right - left, bottom - top]}
