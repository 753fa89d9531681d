"""Synthetic vectors that resemble pool5: non-negative, around few directions, of length 1, float16."""

import numpy as np
from numpy.typing import NDArray


def pool5_like(
    count: int, width: int = 4608, *, seed: int = 0, directions: int = 400, rank: int = 24, draw: int | None = None
) -> NDArray[np.float16]:
    """Return (count, width) vectors near `directions` centres, which vary along `rank` common axes.

    Independent random vectors in 4608 dimensions are almost never mutual neighbours. Real features vary along few axes,
    and a tenth to a half of them are. Another `draw` gives other vectors around the same centres.
    """
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(directions, width)).astype(np.float32)
    axes = generator.normal(size=(rank, width)).astype(np.float32)
    if draw is not None:
        generator = np.random.default_rng([seed, draw])
    result = np.empty((count, width), np.float16)
    for start in range(0, count, 4096):
        size = min(4096, count - start)
        block = centres[generator.integers(directions, size=size)]
        block += generator.normal(size=(size, rank)).astype(np.float32) @ axes / np.sqrt(np.float32(rank))
        block += 0.1 * generator.normal(size=(size, width)).astype(np.float32)
        np.maximum(block, 0, out=block)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        result[start : start + size] = block
    return result
