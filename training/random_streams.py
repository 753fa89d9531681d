"""The independent random streams of one training seed.

Every draw of a training comes from `generator(seed, stream, number)`, where the number is a step, an epoch or a frame.
A draw therefore does not depend on earlier draws, and a resumed training repeats it. The numbers are part of
the checkpoint format: changing one changes the losses of that seed. `graph`'s shuffle of quadruples seeds itself with
(seed, epoch) and (seed, epoch, bucket), outside this list.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class RandomStream(IntEnum):
    """Kinds of random draws; each has its own number."""

    NEGATIVES = 1
    TRACKS = 2
    CONTEXT_PATCHES = 3
    FRAMES = 4
    COLOURS = 5
    DISTRACTORS = 6
    AUGMENTATION = 7
    VIEWS = 8
    PICTURES = 9
    HEADS = 10
    ADDED_TRACKS = 11


def generator(seed: int, stream: RandomStream, *number: int) -> np.random.Generator:
    """Return the generator of a stream at a step (or epoch, or frame)."""
    return np.random.default_rng((seed, int(stream), *number))
