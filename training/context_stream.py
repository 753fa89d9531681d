"""Frames and a first step come in; the context batches of that step and all later ones go out, cut ahead of need.

A GPU takes patches faster than one Python process cuts them, whatever its threads: they wait for one another's lock.
There every core cuts whole batches in a process of its own; elsewhere the threads given share one batch.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils.data import DataLoader, Dataset

from graph.errors import TransitiveError
from training.context import ContextBatch, context_batch
from training.distributed import ranks_here, world
from training.recipes import Recipe

MOST_PROCESSES = 16  # cut faster than one H200 takes (docs/benchmarks/)


class _Steps(Dataset[ContextBatch | TransitiveError]):
    """The batch of each step, or what it raised: another process's exception would come with its stack as text."""

    def __init__(self, frames: Sequence[bytes], recipe: Recipe, seed: int, threads: ThreadPoolExecutor | None) -> None:
        self._frames, self._recipe, self._seed, self._threads = frames, recipe, seed, threads
        self._rank = world()

    def __getitem__(self, step: int) -> ContextBatch | TransitiveError:
        try:
            return context_batch(self._frames, self._recipe, self._seed, step, *self._rank, threads=self._threads)
        except TransitiveError as error:
            return error


def context_batches(
    frames: Sequence[bytes],
    recipe: Recipe,
    seed: int,
    first: int,
    device: torch.device,
    threads: ThreadPoolExecutor | None = None,
) -> Iterator[ContextBatch]:
    """Yield the batch of step `first` and so on to the end of the schedule; raises what `context_batch` raises.

    In processes for a GPU where there is more than one core, else in `threads`: the batches are the same.
    """
    processes = cutting_processes() if device.type == "cuda" else 0
    loader = DataLoader(
        _Steps(frames, recipe, seed, None if processes else threads),
        batch_size=None,
        sampler=range(first, recipe.iterations),
        num_workers=processes,
        multiprocessing_context="fork" if processes else None,  # shares the frames instead of copying them
    )
    for batch in loader:
        if isinstance(batch, TransitiveError):
            raise batch
        yield batch


def cutting_processes() -> int:
    """Return how many processes cut for this rank's GPU: its share of the cores but one, which feeds it; or none."""
    return min(MOST_PROCESSES, max(0, (os.cpu_count() or 1) // ranks_here() - 1))
