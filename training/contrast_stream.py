"""The pictures that a training contrasts: frames and added pictures, decoded once and cached on the device.

The pictures of a step depend only on the seed and the step, as in `training/context.py`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.context import frame_order
from training.distributed import rank_and_world_size
from training.pictures import read_picture, square
from training.recipe import Recipe


@dataclass(frozen=True)
class ContrastBatch:
    """The pictures of one step."""

    numbers: NDArray[np.int64]  # (P,) of the whole batch, of all ranks
    pictures: Tensor  # (P / ranks, S, S, 3) uint8 of this rank, on the device


class ContrastPictures:
    """The central squares of JPEGs, decoded when they are first asked for."""

    def __init__(
        self,
        jpegs: Sequence[bytes],
        recipe: Recipe,
        device: torch.device,
        limit_bytes: int,
        threads: ThreadPoolExecutor,
    ) -> None:
        """Allocate a cache for all of them if that takes at most `limit_bytes`; otherwise nothing is cached."""
        self._jpegs, self._recipe, self._device, self._threads = jpegs, recipe, device, threads
        self._side = recipe.picture_side
        shape = (len(jpegs), self._side, self._side, 3)
        fits = int(np.prod(shape)) <= limit_bytes
        self._kept = torch.empty(shape, dtype=torch.uint8, device=device) if fits else None
        self._there = np.zeros(len(jpegs), np.bool_)

    def batch(self, seed: int, step: int) -> ContrastBatch:
        """Return the pictures of `step`; raises `InvalidInput` for one that cannot be decoded."""
        rank, ranks = rank_and_world_size()
        each = self._recipe.contrast_pictures // ranks
        numbers = frame_order(len(self._jpegs), seed, step * each * ranks, each * ranks)
        return ContrastBatch(numbers, self._get(numbers[rank * each : (rank + 1) * each]))

    def _get(self, numbers: NDArray[np.int64]) -> Tensor:
        if self._kept is None:
            return self._decode(numbers)
        missing = np.unique(numbers[~self._there[numbers]])
        if len(missing):
            self._kept[torch.from_numpy(missing).to(self._device)] = self._decode(missing)
            self._there[missing] = True
        return self._kept[torch.from_numpy(numbers).to(self._device)]

    def _decode(self, numbers: NDArray[np.int64]) -> Tensor:
        found = list(self._threads.map(partial(_decode, side=self._side), [self._jpegs[n] for n in numbers.tolist()]))
        return torch.from_numpy(np.stack(found)).to(self._device, non_blocking=True)


def _decode(jpeg: bytes, side: int) -> NDArray[np.uint8]:
    return square(read_picture("A picture to contrast", jpeg, smallest_side=side), side)
