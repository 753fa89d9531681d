"""Mini-batches of context prediction, the start of section 4.2: pairs of neighbouring patches of a frame.

Doersch et al. 2015 and its released code: the frame has 150K to 450K pixels. Patches of 96 pixels lie in a grid with a
gap of 48 and up to 7 pixels of jitter, at a random offset, and are paired with their eight neighbours in both
directions. A third of the patches are shrunk to as little as 10×10 and back. All colour channels but one become noise,
because lens aberration would reveal the position. Every patch is encoded once and shared by its pairs.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graph.errors import InvalidInput, StorageError
from training.pictures import read_picture
from training.random_streams import RandomStream, generator
from training.recipe import Recipe

# Offset of the second patch in the grid, as (rows, columns); the index in this tuple is the class.
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
_NOISES = 16


@dataclass(frozen=True)
class ContextBatch:
    """The input of one step of context prediction; M patches, P pairs."""

    patches: NDArray[np.uint8]  # (M, 96, 96, 3)
    pairs: NDArray[np.int64]  # (P, 2) rows of `patches`
    positions: NDArray[np.int64]  # (P,) 0 to 7: index in `NEIGHBOURS` of the second patch, seen from the first


def cut_grid(
    image: Image.Image, recipe: Recipe, draws: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Cut the patches of one RGB frame: (M, 96, 96, 3) pixels, (P, 2) pairs, (P,) positions.

    Each patch is resampled from the original at the scale drawn, which is cheaper than resizing the whole frame.
    """
    size, stride, jitter = recipe.patch, recipe.patch + recipe.gap, recipe.jitter
    width, height = image.size
    pixels = draws.uniform(recipe.least_pixels, recipe.most_pixels)
    scale = max((pixels / (width * height)) ** 0.5, (2 * size + recipe.gap) / min(width, height))
    wide, high = int(width * scale), int(height * scale)
    columns, rows = (wide - size) // stride + 1, (high - size) // stride + 1
    left = draws.integers(0, wide - ((columns - 1) * stride + size) + 1)
    top = draws.integers(0, high - ((rows - 1) * stride + size) + 1)
    patches = np.empty((rows * columns, size, size, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            x = np.clip(left + column * stride + draws.integers(-jitter, jitter + 1), 0, wide - size)
            y = np.clip(top + row * stride + draws.integers(-jitter, jitter + 1), 0, high - size)
            box = (x / scale, y / scale, min((x + size) / scale, width), min((y + size) / scale, height))
            patch = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
            if draws.random() < recipe.shrunk_share:
                small = int(draws.integers(recipe.shrunk_to, size))
                patch = patch.resize((small, small), Image.Resampling.BILINEAR).resize(
                    (size, size), Image.Resampling.BILINEAR
                )
            patches[row * columns + column] = np.asarray(patch)
    pairs, positions = _balanced_pairs(int(rows), int(columns), draws)
    return patches, pairs, positions


def _balanced_pairs(rows: int, columns: int, draws: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each patch with its neighbours, every position equally often: (P, 2) and (P,).

    A grid has more horizontal and vertical pairs than diagonal ones. If all were taken, chance would not be 1/8 and a
    network could gain by always answering the commonest position (a narrow one did so for hundreds of steps).
    """
    each = (rows - 1) * (columns - 1)  # diagonal pairs of one direction: the fewest
    pairs, positions = [], []
    for position, (down, right) in enumerate(NEIGHBOURS):
        found = [
            (row * columns + column, (row + down) * columns + column + right)
            for row in range(max(0, -down), rows - max(0, down))
            for column in range(max(0, -right), columns - max(0, right))
        ]
        pairs += [found[index] for index in draws.permutation(len(found))[:each]]
        positions += [position] * each
    return np.array(pairs, np.int64), np.array(positions, np.int64)


def frame_order(count: int, seed: int, first: int, wanted: int) -> NDArray[np.int64]:
    """Return entries `first` to `first + wanted` of the endless shuffled sequence of `count` frames."""
    out = []
    for epoch in range(first // count, (first + wanted - 1) // count + 1):
        order = generator(seed, RandomStream.FRAMES, epoch).permutation(count)
        begin, end = max(first - epoch * count, 0), min(first + wanted - epoch * count, count)
        out.append(order[begin:end])
    return np.concatenate(out)


def context_batch(
    frames: Sequence[bytes],
    recipe: Recipe,
    seed: int,
    step: int,
    rank: int = 0,
    world: int = 1,
    threads: ThreadPoolExecutor | None = None,
) -> ContextBatch:
    """Cut this rank's part of the mini-batch of `step`; it depends on the frames, the seed and the step alone.

    Args:
        frames: JPEGs of whole frames.
        recipe: sizes and shares of context prediction.
        seed: of the training.
        step: number of the mini-batch.
        rank: of this process.
        world: number of processes that share the batch.
        threads: cut in these; PIL decodes and resizes without Python's lock.
    """
    every = frame_order(len(frames), seed, step * recipe.context_frames, recipe.context_frames)
    each = max(1, len(every) // world)
    chosen = every[rank * each : (rank + 1) * each]

    def cut(place: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        draws = generator(seed, RandomStream.CONTEXT_PATCHES, step, rank * each + place)
        return cut_grid(_read_frame(frames[chosen[place]], recipe), recipe, draws)

    places = range(len(chosen))
    patches, pairs, positions = zip(*(threads.map(cut, places) if threads else map(cut, places)), strict=True)
    offsets = np.cumsum([0, *(len(some) for some in patches[:-1])])
    moved = [found + offset for found, offset in zip(pairs, offsets, strict=True)]
    return ContextBatch(np.concatenate(patches), np.concatenate(moved), np.concatenate(positions))


def _read_frame(frame: bytes, recipe: Recipe) -> Image.Image:
    """Decode a frame, at a reduced size if it has far more pixels than any scale can use."""
    try:
        return read_picture("It", frame, smallest_side=int(recipe.most_pixels**0.5))
    except InvalidInput as error:
        raise StorageError(
            f"A frame or picture of {len(frame)} bytes cannot be read. {error} Ingest its video again, or remove "
            "the file from the folder given with --images."
        ) from None


def drop_colours(images: Tensor, noise: float, seed: int, step: int) -> Tensor:
    """Keep one colour of each normalised (M, 3, H, W) patch; the others become noise.

    The noise has `noise` times the standard deviation of the kept colour. It is drawn for a few patches and reused in
    turn: on a CPU, drawing it for all took a fifth of the step.
    """
    draws = generator(seed, RandomStream.COLOURS, step)
    kept = torch.from_numpy(draws.integers(0, 3, len(images))).to(images.device)
    noise_draws = torch.Generator(images.device).manual_seed(int(draws.integers(2**62)))
    mask = torch.nn.functional.one_hot(kept, 3).view(-1, 3, 1, 1).to(images.dtype)
    deviation = (images * mask).sum(1, keepdim=True).std(dim=(2, 3), keepdim=True)
    few = torch.empty_like(images[:_NOISES]).normal_(generator=noise_draws)
    turn = torch.arange(len(images), device=images.device) % len(few)
    return torch.where(mask > 0, images, few[turn] * (noise * deviation))
