"""The training and measurement of Fast and Faster R-CNN on a model's convolutions (tables 1 to 4)."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graph.atomic_write import atomic_write, replacement
from graph.errors import InvalidInput
from graph.records import Progress
from training.checkpoints import Identity
from training.devices import choose_device, deterministic
from training.evaluation.detection.average_precision import Found, voc07_interval, voc07_scores
from training.evaluation.detection.batches import BatchReader, pixels_of, read_proposals
from training.evaluation.detection.coco_average_precision import coco_average_precision
from training.evaluation.detection.dataset import Detection, Labelled
from training.evaluation.detection.detector import Detector
from training.evaluation.detection.presets import DetectionPreset
from training.evaluation.detection.sheet import draw_detections
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.head_training import HeadRun, train_head
from training.evaluation.subject import Subject


def evaluate_detection(
    subject: Subject,
    data: Detection,
    preset: DetectionPreset,
    run: HeadRun,
    *,
    freeze: str = "none",
    proposals: Path | None = None,
) -> dict[str, float]:
    """Train and measure a detector; writes detection.json and detection.png into the run's folder.

    Args:
        subject: the network whose convolutions the detector is put on.
        data: from `read_voc` or `read_coco`.
        preset: from `get_preset`.
        run: folder, seed, device and progress.
        freeze: the last stage that is not tuned.
        proposals: folder of ID.npy, for Fast R-CNN.

    Returns:
        VOC: the average precision by class, and "mAP", their mean. COCO: table 4's columns.

    Raises:
        InvalidInput: a picture is damaged, no training picture has an object, or the trunk is not VGG16's.
        NotFound: a picture has no proposals.
        Conflict: another run works in the folder, or it holds the checkpoint of another training.
        Cancelled: raised by the progress; a checkpoint is kept.
    """
    usable = [one for one in data.train if (~one.ignored).any()]
    if not usable:
        raise InvalidInput(
            "No training picture has an object that is neither difficult nor a crowd. Give another split."
        )
    if not any((~one.ignored).any() for one in data.test):
        raise InvalidInput("No test picture has an object that is neither difficult nor a crowd. Give another split.")
    seed = run.seed
    with evaluation_lock(run.output, "detection"):
        chosen = choose_device(run.device)
        torch.manual_seed(seed)
        detector = Detector(subject, len(data.classes), preset, freeze).to(chosen)
        subject.network.to(chosen)
        numbers = json.loads(json.dumps(asdict(preset))) | {"freeze": freeze}
        identity = Identity(numbers, "detection", data.fingerprint, seed, subject.id)

        reader = BatchReader(usable, preset, proposals, seed)

        def loss_of(step: int) -> dict[str, Tensor]:
            batch = reader.read(step)
            pictures, regions = ([one.to(chosen) for one in part] for part in (batch.pictures, batch.proposals))
            targets = [{name: value.to(chosen) for name, value in one.items()} for one in batch.targets]
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.type == "cuda"):
                losses: dict[str, Tensor] = detector(pictures, targets, regions)
            return losses

        with closing(reader), deterministic(chosen, same_shapes=False):
            detector.train()
            seconds = train_head(detector, loss_of, preset.schedule, run, identity, f"detection, {preset.head}")
        found = _detect(detector, data.test, proposals, chosen, preset.head, run.progress)
        scores = _measure(data, found)
        facts = {"model": subject.id, "preset": asdict(preset), "freeze": freeze, "seed": seed}
        facts |= {"train": len(usable), "test": len(data.test), "seconds": round(seconds, 1), "AP": scores}
        if data.metric == "voc07":
            facts["mAP, 95 % over test pictures"] = voc07_interval(data.test, found, len(data.classes))
        with replacement(run.output / "detection.png") as temporary:
            draw_detections(data.test, found, data.classes).save(temporary, "PNG")
        atomic_write(run.output / "detection.json", json.dumps(facts, indent=2) + "\n")
    return scores


def _measure(data: Detection, found: list[Found]) -> dict[str, float]:
    """Return the scores of the data set's metric that are numbers; a class or size without a test object has none."""
    if data.metric == "voc07":
        every = voc07_scores(data.test, found, data.classes)
    else:
        every = coco_average_precision(data.test, found, len(data.classes))
    return {name: value for name, value in every.items() if not np.isnan(value)}


@torch.inference_mode()
def _detect(
    detector: Detector,
    pictures: list[Labelled],
    proposals: Path | None,
    device: torch.device,
    head: str,
    progress: Progress,
) -> list[Found]:
    detector.eval()
    found = []
    for done, one in enumerate(pictures, start=1):
        regions = [read_proposals(proposals, one).to(device)] if head == "fast" else None
        result = {
            name: value.cpu().numpy() for name, value in detector([pixels_of(one).to(device)], None, regions)[0].items()
        }
        found.append(Found(result["boxes"], result["labels"], result["scores"]))
        progress("detection, test pictures", done, len(pictures), "pictures")
    return found
