"""The features of a network at the end of each of its five convolution stages, and its embedding."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.evaluation.subject import Subject
from training.pictures import SIDE

GRID = 3  # pool5 of a 96×96 picture is 3×3; the earlier stages are averaged over as many cells


def stage_names(subject: Subject) -> list[str]:
    """Return conv1 … conv5, and embedding where the network has one."""
    pools = sum(isinstance(layer, nn.MaxPool2d) for layer in subject.features)
    return [f"conv{number + 1}" for number in range(pools)] + ["embedding"] * (subject.network.embedding is not None)


def layer_outputs(subject: Subject, images: Tensor) -> Iterator[Tensor]:
    """Yield the output of each layer of the trunk, also of unfolded batch norm, for normalised (N, 3, H, W).

    ReLU works in place, so the output of a convolution is overwritten by the next layer.
    """
    for place, layer in enumerate(subject.features):
        images = layer(images)
        if str(place) in subject.network.norms:
            images = subject.network.norms[str(place)](images)
        yield images


@torch.inference_mode()
def stage_features(
    subject: Subject, pictures: NDArray[np.uint8], device: torch.device
) -> dict[str, NDArray[np.float32]]:
    """Encode uint8 (N, 96, 96, 3) to stage → float32 (N, 9·C), the max-pooled stage averaged over 3×3 cells.

    conv5 is pool5 itself, the features of section 4.2; the embedding has length 1.
    """
    if pictures.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"Pictures must be (N, {SIDE}, {SIDE}, 3); these are {pictures.shape}.")
    network = subject.network
    found: dict[str, NDArray[np.float32]] = {}
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        images = network.prepare(torch.from_numpy(np.ascontiguousarray(pictures)).to(device))
        pools = 0
        for layer, output in zip(subject.features, layer_outputs(subject, images), strict=True):
            if isinstance(layer, nn.MaxPool2d):
                pools += 1
                cells = output if output.shape[-1] == GRID else functional.adaptive_avg_pool2d(output, GRID)
                found[f"conv{pools}"] = cells.contiguous().flatten(1).float().cpu().numpy()
        if network.embedding is not None:
            vectors = network.embedding(output.contiguous().flatten(1)).float()
            found["embedding"] = functional.normalize(vectors, dim=1).cpu().numpy()
    return found
