"""Decoded patches by row of the patch table, cached on the device if they all fit.

A decoded patch takes 27 KiB, so a million fit in 28 GB of GPU memory.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graph.errors import InvalidInput, StorageError
from training.pictures import SIDE, pictures_to_patches
from training.source import PatchTable, TrainingSource

PATCH_BYTES = SIDE * SIDE * 3
_THREADS = 2  # more threads wait for Python's lock: 5,577 patches/s with 2, 4,134 with 8, 3,369 with 16 (16 cores)


class PatchPixels:
    """The pixels of a source's patches on a device."""

    def __init__(self, source: TrainingSource, table: PatchTable, device: torch.device, limit_bytes: int) -> None:
        """Allocate a cache for all patches if that takes at most `limit_bytes`; otherwise nothing is cached."""
        self._source, self._table, self._device = source, table, device
        fits = len(table.ids) * PATCH_BYTES <= limit_bytes
        self._kept = torch.empty((len(table.ids), SIDE, SIDE, 3), dtype=torch.uint8, device=device) if fits else None
        self._there = np.zeros(len(table.ids), np.bool_)
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="decode")

    def get(self, rows: NDArray[np.int64]) -> Tensor:
        """Return uint8 (N, 96, 96, 3) on the device; raises `StorageError` for a patch that is missing or damaged."""
        if self._kept is None:
            return self._load(rows).to(self._device, non_blocking=True)
        missing = np.unique(rows[~self._there[rows]])
        if len(missing):
            self._kept[torch.from_numpy(missing).to(self._device)] = self._load(missing).to(self._device)
            self._there[missing] = True
        return self._kept[torch.from_numpy(rows).to(self._device)]

    def _load(self, rows: NDArray[np.int64]) -> Tensor:
        ids = [self._table.ids[row] for row in rows]
        named = [(f"Patch {patch}", jpeg) for patch, jpeg in zip(ids, self._source.patch_jpegs(ids), strict=True)]
        try:
            pixels = torch.from_numpy(pictures_to_patches(named, self.threads))
        except InvalidInput as error:
            raise StorageError(f"{error} Delete the patch's video and ingest it again.") from None
        return pixels.pin_memory() if self._device.type == "cuda" else pixels

    def close(self) -> None:
        """Stop the decoding threads."""
        self.threads.shutdown(cancel_futures=True)
