"""The theoretical and the measured receptive field of a convolution layer.

The theoretical field follows from kernels, strides and padding. Most of it hardly affects a response. The measured
field follows Zhou et al. 2015 (https://arxiv.org/abs/1412.6856): a small square of noise is moved over the picture, and
the change of the response is recorded for each place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

OCCLUDER, STRIDE = 12, 6  # pixels; a patch has 96, so the square has 15×15 places
_BATCH = 64


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a layer: `size` pixels square, from `stride` · position − `padding` on."""

    size: int
    stride: int
    padding: int

    def box(self, row: int, column: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the field of a position inside a picture: left, top, right, bottom; the last two excluded."""
        left, top = column * self.stride - self.padding, row * self.stride - self.padding
        return max(0, left), max(0, top), min(width, left + self.size), min(height, top + self.size)


def receptive_field(features: nn.Sequential, last: int) -> ReceptiveField:
    """Return the field by geometry of layer number `last` of a chain of convolutions and max pooling."""
    size = stride = 1
    padding = 0
    for layer in list(features)[: last + 1]:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, step, around = (_pixels(value) for value in (layer.kernel_size, layer.stride, layer.padding))
            size += (kernel - 1) * stride
            padding += around * stride
            stride *= step
    return ReceptiveField(size, stride, padding)


def _pixels(value: int | str | tuple[int, ...]) -> int:
    return value[0] if isinstance(value, tuple) else int(value)


@torch.inference_mode()
def measured_field(
    respond: Callable[[Tensor], Tensor], image: Tensor, seed: int, occluder: int = OCCLUDER, stride: int = STRIDE
) -> NDArray[np.float32]:
    """Return how much each pixel of a normalised picture (1, 3, H, W) counts for its response: (H, W), from 0 to 1.

    Args:
        respond: returns the (N,) responses of (N, 3, H, W).
        image: normalised, so that noise of mean 0 and deviation 1 is like a picture.
        seed: of the noise.
        occluder: side of the square, in pixels.
        stride: from one place of the square to the next, in pixels.

    Returns:
        The maximum is 1; all are 0 if no place of the square changes the response. Zhou et al. use 5,000 places.
    """
    height, width = image.shape[2:]
    noise = torch.randn((3, occluder, occluder), generator=torch.Generator().manual_seed(seed)).to(image)
    rows = range(0, height - occluder + 1, stride)
    columns = range(0, width - occluder + 1, stride)
    places = [(row, column) for row in rows for column in columns]
    before = respond(image)
    changes = []
    for first in range(0, len(places), _BATCH):
        some = places[first : first + _BATCH]
        occluded = image.repeat(len(some), 1, 1, 1)
        for copy, (row, column) in zip(occluded, some, strict=True):
            copy[:, row : row + occluder, column : column + occluder] = noise
        changes.append((respond(occluded) - before).abs().float().cpu())
    grid = torch.cat(changes).reshape(len(rows), len(columns))
    # A pixel counts as much as the squares that covered it did on average.
    spread = torch.zeros(height, width)
    covered = torch.zeros(height, width)
    for number, (row, column) in enumerate(places):
        spread[row : row + occluder, column : column + occluder] += grid.flatten()[number]
        covered[row : row + occluder, column : column + occluder] += 1
    field = spread / covered.clamp(min=1)
    found: NDArray[np.float32] = (field / field.max().clamp(min=1e-12)).numpy()
    return found
