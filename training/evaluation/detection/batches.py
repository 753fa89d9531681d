"""The mini-batches of a detection training: drawn from (seed, step), read ahead of the step that needs them."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graph.errors import NotFound
from training.evaluation.detection.dataset import Labelled, read_stored
from training.evaluation.detection.presets import DetectionPreset
from training.random_streams import RandomStream, generator


@dataclass(frozen=True)
class Batch:
    """Pictures with their objects and proposals, on the CPU."""

    pictures: list[Tensor]  # uint8 (H, W, 3) each
    targets: list[dict[str, Tensor]]  # boxes (N, 4) and labels (N,) of each
    proposals: list[Tensor]  # (P, 4) of each; none for Faster R-CNN


@dataclass
class BatchReader:
    """Reader of batches; a thread reads the next batch during a training step."""

    pictures: Sequence[Labelled]
    preset: DetectionPreset
    proposals: Path | None  # folder of ID.npy, for Fast R-CNN
    seed: int
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "detection"))
    _ahead: dict[int, "Future[Batch]"] = field(default_factory=dict)

    def read(self, step: int) -> Batch:
        """Return the batch of a step; raises `InvalidInput` for a damaged picture, `NotFound` for missing proposals."""
        waiting = self._ahead.pop(step, None) or self._pool.submit(self._read, step)
        if step + 1 < self.preset.schedule.iterations:
            self._ahead[step + 1] = self._pool.submit(self._read, step + 1)
        return waiting.result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _read(self, step: int) -> Batch:
        draws = generator(self.seed, RandomStream.HEADS, step, 1)
        batch = Batch([], [], [])
        for row in draws.integers(len(self.pictures), size=self.preset.batch):
            one, mirrored = self.pictures[row], bool(draws.integers(2))
            pixels = pixels_of(one)
            boxes = torch.from_numpy(one.boxes[~one.ignored])
            regions = read_proposals(self.proposals, one) if self.preset.head == "fast" else torch.zeros((0, 4))
            if mirrored:
                pixels = pixels.flip(1)
                boxes, regions = (_mirrored(some, pixels.shape[1]) for some in (boxes, regions))
            batch.pictures.append(pixels)
            batch.targets.append({"boxes": boxes, "labels": torch.from_numpy(one.labels[~one.ignored])})
            batch.proposals.append(regions)
        return batch


def pixels_of(one: Labelled) -> Tensor:
    """Return uint8 (H, W, 3), as stored."""
    return torch.from_numpy(np.array(read_stored(one)))


def read_proposals(folder: Path | None, one: Labelled) -> Tensor:
    """Return the (P, 4) proposals of a picture; raises `NotFound`."""
    file = (folder or Path()) / f"{one.id}.npy"
    if folder is None or not file.is_file():
        raise NotFound(
            f"{file} is missing. Fast R-CNN needs proposals. `transitive evaluate detection --head fast` makes them."
        )
    return torch.from_numpy(np.load(file)).float()


def _mirrored(boxes: Tensor, width: int) -> Tensor:
    return torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
