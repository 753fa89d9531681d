"""Rows of the patch table come in, decoded pixels go out; decoded once and held where there is room.

A decoded patch is 27 KiB: a million fit in 28 GB of GPU memory, and a held one costs no decoding, no copy to the GPU.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from graph.errors import StorageError
from training.source import PatchTable, TrainingSource

SIDE = 96
_THREADS = 2  # more wait for Python's lock: 5,577 patches/s in 2 threads, 4,134 in 8, 3,369 in 16 (16 cores)
PATCH_BYTES = SIDE * SIDE * 3


def decode_patch(jpeg: bytes) -> NDArray[np.uint8]:
    """Decode one JPEG to (96, 96, 3); one of another size is resized. Raises `StorageError` for a broken one."""
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            picture = image.convert("RGB")
            if picture.size != (SIDE, SIDE):
                picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise StorageError(f"A patch of {len(jpeg)} bytes is no picture ({error}). Ingest its video again.") from None


def decode(jpegs: Sequence[bytes], threads: ThreadPoolExecutor | None = None) -> NDArray[np.uint8]:
    """Decode N JPEGs to (N, 96, 96, 3), in threads where given: PIL lets go of Python's lock while it decodes."""
    if not jpegs:
        return np.empty((0, SIDE, SIDE, 3), np.uint8)
    return np.stack(list(threads.map(decode_patch, jpegs, chunksize=16) if threads else map(decode_patch, jpegs)))


class PatchPixels:
    """Pixels by row of the patch table, held on the device once decoded, as long as they fit in `limit_bytes`."""

    def __init__(self, source: TrainingSource, table: PatchTable, device: torch.device, limit_bytes: int) -> None:
        """Hold nothing yet; the store is allocated whole where all patches fit, else nothing is held."""
        self._source, self._table, self._device = source, table, device
        fits = len(table.ids) * PATCH_BYTES <= limit_bytes
        self._held = torch.empty((len(table.ids), SIDE, SIDE, 3), dtype=torch.uint8, device=device) if fits else None
        self._there = np.zeros(len(table.ids), np.bool_)
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="decode")

    def get(self, rows: NDArray[np.int64]) -> Tensor:
        """Return uint8 (N, 96, 96, 3) on the device."""
        if self._held is None:
            return self._load(rows).to(self._device, non_blocking=True)
        missing = np.unique(rows[~self._there[rows]])
        if len(missing):
            self._held[torch.from_numpy(missing).to(self._device)] = self._load(missing).to(self._device)
            self._there[missing] = True
        return self._held[torch.from_numpy(rows).to(self._device)]

    def _load(self, rows: NDArray[np.int64]) -> Tensor:
        jpegs = self._source.images([self._table.ids[row] for row in rows])
        pixels = torch.from_numpy(decode(jpegs, self.threads))
        return pixels.pin_memory() if self._device.type == "cuda" else pixels

    def close(self) -> None:
        """Stop the decoding threads."""
        self.threads.shutdown(cancel_futures=True)
