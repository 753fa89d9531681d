"""Histograms of oriented gradients, the features of the paper's ablation (section 6.2, transitive-hog).

The method is that of Dalal and Triggs (2005): gradients of the colour channel with the largest gradient, 9 unsigned
orientations, cells of 8×8 pixels, and blocks of 2×2 cells that are normalised, clipped at 0.2 and normalised again. A
96×96 patch has 11×11 blocks, so its descriptor has 4356 numbers.
"""

import numpy as np
from numpy.typing import NDArray

CELL, BLOCK, BINS = 8, 2, 9
_CUT = 0.2
_FAINT = 1e-3  # added to squared lengths, so that a uniform block stays zero
_AT_ONCE = 256  # patches described at a time; bounds the memory


def hog(images: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return the (N, D) descriptors of uint8 patches (N, H, W, 3); H and W are multiples of 8."""
    parts = [_describe(images[first : first + _AT_ONCE]) for first in range(0, len(images), _AT_ONCE)]
    rows, columns = (side // CELL - BLOCK + 1 for side in images.shape[1:3])
    return np.concatenate(parts) if parts else np.empty((0, rows * columns * BLOCK * BLOCK * BINS), np.float16)


def _describe(images: NDArray[np.uint8]) -> NDArray[np.float16]:
    pixels = images.astype(np.float32)  # whole numbers, so equal gradients of two channels compare as equal
    across, down = np.zeros_like(pixels), np.zeros_like(pixels)
    across[:, :, 1:-1] = pixels[:, :, 2:] - pixels[:, :, :-2]
    down[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    strongest = (across**2 + down**2).argmax(axis=3)[..., None]
    across = np.take_along_axis(across, strongest, 3)[..., 0]
    down = np.take_along_axis(down, strongest, 3)[..., 0]
    strength = np.sqrt(across**2 + down**2)
    place = (np.arctan2(down, across) % np.pi) / np.pi * BINS - 0.5  # in bins; the centre of bin b is at b
    lower = np.floor(place).astype(np.int64)
    upper_share = (place - lower).astype(np.float32)
    count, height, width = strength.shape
    cells = np.zeros((count, height // CELL, width // CELL, BINS), np.float32)
    for bins, share in ((lower % BINS, 1 - upper_share), ((lower + 1) % BINS, upper_share)):
        for number in range(BINS):
            part = np.where(bins == number, strength * share, 0)
            cells[..., number] += part.reshape(count, height // CELL, CELL, width // CELL, CELL).sum(axis=(2, 4))
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], axis=3)
    cut = np.minimum(_of_length_one(blocks), _CUT)
    return _of_length_one(cut).reshape(count, -1).astype(np.float16)


def _of_length_one(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt((blocks**2).sum(axis=3, keepdims=True) + _FAINT)
    return blocks / lengths
