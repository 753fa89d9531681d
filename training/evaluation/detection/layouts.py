"""The detection of a data set's layout, VOC's or COCO's, from the files in a folder."""

from pathlib import Path

from training.evaluation.detection.coco import read_coco
from training.evaluation.detection.dataset import Detection
from training.evaluation.detection.voc import read_voc


def read_detection(folder: Path) -> Detection:
    """Read COCO's layout if the folder has annotations/instances_*.json, else VOC's; raises `InvalidInput`."""
    return read_coco(folder) if any(folder.glob("annotations/instances_*.json")) else read_voc(folder)
