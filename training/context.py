"""Whole frames come in as JPEGs; grids of 96x96 patches and the pairs to tell the position of go out.

Context prediction, Doersch et al. 2015 and its released code: the frame at 150K to 450K pixels, patches of 96 with a
gap of 48 and up to 7 pixels of jitter, a random grid offset, the eight neighbours in both directions, a third of the
patches shrunk to as little as 10x10 and back; of the colours all but one replaced by noise, so that lens aberration
does not give the position away. Every patch is encoded once and shared by its pairs.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from graph.errors import StorageError
from training.recipes import Recipe

# Where the second patch lies, as (rows, columns); the place in this tuple is the class.
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
_NOISES = 16
_STREAM_CONTEXT, _STREAM_FRAMES, _STREAM_COLOURS = 3, 4, 5


@dataclass(frozen=True)
class ContextBatch:
    """What one step of context prediction needs; M patches, P pairs."""

    patches: NDArray[np.uint8]  # (M, 96, 96, 3)
    pairs: NDArray[np.int64]  # (P, 2) rows of `patches`
    positions: NDArray[np.int64]  # (P,) 0..7: where the second lies, seen from the first


def cut_grid(
    image: Image.Image, recipe: Recipe, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Cut one frame's patches: (M, 96, 96, 3) pixels, (P, 2) pairs, (P,) positions.

    The frame is never resized whole: each patch is read out of the original at the scale drawn.
    """
    size, stride, jitter = recipe.patch, recipe.patch + recipe.gap, recipe.jitter
    width, height = image.size
    pixels = generator.uniform(recipe.least_pixels, recipe.most_pixels)
    scale = max((pixels / (width * height)) ** 0.5, (2 * size + recipe.gap) / min(width, height))
    wide, high = int(width * scale), int(height * scale)
    columns, rows = (wide - size) // stride + 1, (high - size) // stride + 1
    left = generator.integers(0, wide - ((columns - 1) * stride + size) + 1)
    top = generator.integers(0, high - ((rows - 1) * stride + size) + 1)
    patches = np.empty((rows * columns, size, size, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            x = np.clip(left + column * stride + generator.integers(-jitter, jitter + 1), 0, wide - size)
            y = np.clip(top + row * stride + generator.integers(-jitter, jitter + 1), 0, high - size)
            box = (x / scale, y / scale, min((x + size) / scale, width), min((y + size) / scale, height))
            patch = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
            if generator.random() < recipe.shrunk_share:
                small = int(generator.integers(recipe.shrunk_to, size))
                patch = patch.resize((small, small), Image.Resampling.BILINEAR).resize(
                    (size, size), Image.Resampling.BILINEAR
                )
            patches[row * columns + column] = np.asarray(patch)
    pairs, positions = _balanced_pairs(int(rows), int(columns), generator)
    return patches, pairs, positions


def _balanced_pairs(
    rows: int, columns: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each patch with its neighbours, every position equally often: (P, 2) and (P,).

    A grid has more pairs side by side than across its corners. Taking all, guessing the commonest position pays (a
    narrow network did just that for hundreds of steps), and chance is not 1/8.
    """
    each = (rows - 1) * (columns - 1)  # pairs across a corner: the rarest
    pairs, positions = [], []
    for position, (down, right) in enumerate(NEIGHBOURS):
        found = [
            (row * columns + column, (row + down) * columns + column + right)
            for row in range(max(0, -down), rows - max(0, down))
            for column in range(max(0, -right), columns - max(0, right))
        ]
        pairs += [found[index] for index in generator.permutation(len(found))[:each]]
        positions += [position] * each
    return np.array(pairs, np.int64), np.array(positions, np.int64)


def frame_order(count: int, seed: int, first: int, wanted: int) -> NDArray[np.int64]:
    """Number the frames that places `first` to `first + wanted` of the endless shuffled sequence read."""
    out = []
    for epoch in range(first // count, (first + wanted - 1) // count + 1):
        order = np.random.default_rng((seed, _STREAM_FRAMES, epoch)).permutation(count)
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
    """Cut this rank's part of the mini-batch of `step`: depends on nothing but the frames, the seed and the step.

    In threads where given: PIL lets go of Python's lock while it decodes and resizes.
    """
    every = frame_order(len(frames), seed, step * recipe.context_frames, recipe.context_frames)
    each = max(1, len(every) // world)
    chosen = every[rank * each : (rank + 1) * each]

    def cut(place: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        generator = np.random.default_rng((seed, _STREAM_CONTEXT, step, rank * each + place))
        return _cut_frame(frames[chosen[place]], recipe, generator)

    places = range(len(chosen))
    patches, pairs, positions = zip(*(threads.map(cut, places) if threads else map(cut, places)), strict=True)
    offsets = np.cumsum([0, *(len(some) for some in patches[:-1])])
    moved = [found + offset for found, offset in zip(pairs, offsets, strict=True)]
    return ContextBatch(np.concatenate(patches), np.concatenate(moved), np.concatenate(positions))


def _cut_frame(
    frame: bytes, recipe: Recipe, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    try:
        with Image.open(io.BytesIO(frame)) as image:
            # A photograph far larger than any scale drawn is decoded at half, a quarter or an eighth of its size.
            ratio = min(1.0, (recipe.most_pixels / (image.width * image.height)) ** 0.5)
            image.draft("RGB", (int(image.width * ratio), int(image.height * ratio)))
            return cut_grid(image.convert("RGB"), recipe, generator)
    except (UnidentifiedImageError, OSError) as error:
        raise StorageError(
            f"A frame or picture of {len(frame)} bytes cannot be read ({error}). Ingest its video again, or take the "
            "file out of the folder given with --images."
        ) from None


def drop_colours(images: Tensor, noise: float, seed: int, step: int) -> Tensor:
    """Keep one colour of each normalised (M, 3, H, W) patch; the others become noise of `noise` times its deviation.

    The noise is drawn for a few patches and shared in turn: on a CPU drawing it for all took a fifth of the step.
    """
    generator = np.random.default_rng((seed, _STREAM_COLOURS, step))
    kept = torch.from_numpy(generator.integers(0, 3, len(images))).to(images.device)
    draws = torch.Generator(images.device).manual_seed(int(generator.integers(2**62)))
    mask = torch.nn.functional.one_hot(kept, 3).view(-1, 3, 1, 1).to(images.dtype)
    deviation = (images * mask).sum(1, keepdim=True).std(dim=(2, 3), keepdim=True)
    few = torch.empty_like(images[:_NOISES]).normal_(generator=draws)
    turn = torch.arange(len(images), device=images.device) % len(few)
    return torch.where(mask > 0, images, few[turn] * (noise * deviation))
