"""Seconds of a step of Faster R-CNN with its pictures: our detection training against torchvision's own.

    python -m tests.benchmarks.detection_step DATA [--device cpu|cuda] [--preset cpu-small] [--steps 20] [--workers 0]

Both train the same convolutions with the same proposal network, heads and samplers on the same pictures at the same
size, read and decoded from their files. Torchvision's is FasterRCNN with the loop of its training reference
(references/detection/engine.py): a DataLoader, the sum of the losses, backward, a step of SGD. Blocks of steps of both
alternate, so that other work on the machine slows both; processor time of all threads is printed too.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import RoIPool
from torchvision.transforms.functional import pil_to_tensor

from training.devices import choose_device
from training.evaluation.detection.batches import BatchReader
from training.evaluation.detection.dataset import Labelled
from training.evaluation.detection.detector import Detector
from training.evaluation.detection.layouts import read_detection
from training.evaluation.detection.presets import DetectionPreset, get_preset
from training.evaluation.subject import Subject, open_subject

_BLOCK = 5  # steps of one before the other


class Pictures(Dataset):
    """The data set of torchvision's loop: pictures in 0 to 1 and their objects, mirrored at random."""

    def __init__(self, pictures: list[Labelled]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        one = self.pictures[row]
        with Image.open(one.picture) as image:
            pixels = pil_to_tensor(image.convert("RGB")).float() / 255
        boxes = torch.from_numpy(one.boxes.copy())
        if torch.rand(()) < 0.5:
            pixels = pixels.flip(2)
            boxes[:, [0, 2]] = pixels.shape[2] - boxes[:, [2, 0]]
        return pixels, {"boxes": boxes, "labels": torch.from_numpy(one.labels)}


class Pool(nn.Module):
    """RoI max pooling with the arguments of torchvision's heads."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = RoIPool(7, 1 / 16)

    def forward(self, features: dict[str, torch.Tensor], boxes: list[torch.Tensor], _: object) -> torch.Tensor:
        return self.pool(features["0"], boxes)


def theirs(subject: Subject, preset: DetectionPreset, classes: int, device: torch.device) -> FasterRCNN:
    """Build torchvision's detector on the convolutions up to conv5_3."""
    backbone = nn.Sequential(*list(subject.features)[:-1])
    channels = [layer.out_channels for layer in backbone if isinstance(layer, nn.Conv2d)][-1]
    backbone.out_channels = channels
    model = FasterRCNN(
        backbone,
        min_size=preset.shorter,
        max_size=preset.longer,
        rpn_anchor_generator=AnchorGenerator((preset.anchors,), ((0.5, 1.0, 2.0),)),
        rpn_pre_nms_top_n_train=12000,
        rpn_post_nms_top_n_train=2000,
        box_head=TwoMLPHead(channels * 49, preset.hidden),
        box_predictor=FastRCNNPredictor(preset.hidden, classes + 1),
        box_batch_size_per_image=preset.rois,
    )
    model.roi_heads.box_roi_pool = Pool()  # its constructor takes RoIAlign only
    return model.to(device)


def endless(loader: DataLoader) -> Iterator[tuple]:
    """Repeat the loader's epochs."""
    while True:
        yield from loader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="cpu-small")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0, help="Processes of torchvision's DataLoader.")
    given = parser.parse_args()
    device = choose_device(given.device)
    data = read_detection(given.data)
    preset = get_preset(given.preset, "faster", data.metric)
    usable = [one for one in data.train if (~one.ignored).any()]
    size = "cpu-small" if given.preset == "cpu-small" else "paper"
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    subject = open_subject("scratch", Path(), size)
    subject.network.to(device)
    ours = Detector(subject, len(data.classes), preset, "none").to(device).train()
    loader = DataLoader(
        Pictures(usable),
        preset.batch,
        shuffle=True,
        num_workers=given.workers,
        collate_fn=lambda batch: tuple(zip(*batch, strict=True)),
    )
    batches = endless(loader)
    other = theirs(open_subject("scratch", Path(), size), preset, len(data.classes), device).train()
    optimisers = {
        name: torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=0.0005)
        for name, model in (("ours", ours), ("torchvision", other))
    }
    reader = BatchReader(usable, preset, None, 0)

    def our_losses(step: int) -> dict[str, torch.Tensor]:
        batch = reader.read(step)
        targets = [{name: value.to(device) for name, value in one.items()} for one in batch.targets]
        return ours([one.to(device) for one in batch.pictures], targets, batch.proposals)

    def their_losses(step: int) -> dict[str, torch.Tensor]:
        pictures, targets = next(batches)
        moved = [{name: value.to(device) for name, value in one.items()} for one in targets]
        return other([one.to(device) for one in pictures], moved)

    seconds: dict[str, list[float]] = {"ours": [], "torchvision": []}
    processor: dict[str, list[float]] = {"ours": [], "torchvision": []}
    with closing(reader):
        for block in range(given.steps // _BLOCK + 1):
            for name, losses_of in (("ours", our_losses), ("torchvision", their_losses)):
                began, used = time.perf_counter(), time.process_time()
                for step in range(block * _BLOCK, (block + 1) * _BLOCK):
                    with autocast:
                        loss = sum(losses_of(step).values())
                    loss.item()  # both look at the loss
                    optimisers[name].zero_grad(set_to_none=True)
                    loss.backward()
                    optimisers[name].step()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                if block:  # the first warms up
                    seconds[name].append((time.perf_counter() - began) / _BLOCK)
                    processor[name].append((time.process_time() - used) / _BLOCK)
    for kind, measured in (("wall clock", seconds), ("processor", processor)):
        for name, values in measured.items():
            print(
                f"{kind:>10}, {name:<11} {1e3 * statistics.median(values):8.1f} ms a step (min {1e3 * min(values):.1f})"
            )
        print(f"{kind:>10}, ours / torchvision {np.median(measured['ours']) / np.median(measured['torchvision']):.2f}")


if __name__ == "__main__":
    main()
