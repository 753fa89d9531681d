"""The stream of context-prediction batches, cut ahead of the step that needs them.

A GPU consumes patches faster than one Python process cuts them, because its threads wait for one lock. For a GPU each
core therefore cuts whole batches in a process of its own; for a CPU the given threads share the work of one batch.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import BaseContext

import torch
from torch.utils.data import DataLoader, Dataset

from graph.errors import TransitiveError
from training.context import ContextBatch, context_batch
from training.distributed import local_rank_count, rank_and_world_size
from training.recipe import Recipe
from training.shared_frames import SharedFrames

MOST_PROCESSES = 16  # these cut faster than one H200 consumes (docs/benchmarks/)


class _Steps(Dataset[ContextBatch | TransitiveError]):
    """The batch of each step, or its error as a value: a worker process turns an exception into a stack trace."""

    def __init__(self, frames: Sequence[bytes], recipe: Recipe, seed: int, threads: ThreadPoolExecutor | None) -> None:
        self._frames, self._recipe, self._seed, self._threads = frames, recipe, seed, threads
        self._rank = rank_and_world_size()

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
    """Yield the batches of step `first` to the end of the schedule; raises what `context_batch` raises.

    They are cut in processes for a GPU on a machine with more than one core, otherwise in `threads`. Both ways give
    the same batches.
    """
    processes = cutting_processes() if device.type == "cuda" else 0
    loader = DataLoader(
        _Steps(SharedFrames(frames) if processes else frames, recipe, seed, None if processes else threads),
        batch_size=None,
        sampler=range(first, recipe.iterations),
        num_workers=processes,
        multiprocessing_context=_clean_processes() if processes else None,
    )
    for batch in loader:
        if isinstance(batch, TransitiveError):
            raise batch
        yield batch


def _clean_processes() -> BaseContext:
    """Start processes from a server without threads.

    A fork of this process inherits the locks that its other threads hold at that moment; such a child hung for good.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def cutting_processes() -> int:
    """Return how many processes cut for this rank's GPU: its share of the cores but one, which feeds the GPU."""
    return min(MOST_PROCESSES, max(0, (os.cpu_count() or 1) // local_rank_count() - 1))
