"""Training in several processes that torchrun started: the process group, shares of a batch, averaged gradients."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and the number of processes: (0, 1) without torchrun."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_main() -> bool:
    """Return whether this process writes the files: the one of rank 0."""
    return rank_and_world_size()[0] == 0


def local_rank_count() -> int:
    """Return how many processes torchrun started on this machine: 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the process group if torchrun started several processes; yields this process's device."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=10))
    try:
        yield device
    finally:
        dist.destroy_process_group()


def share(rows: NDArray[np.int64], multiple: int = 1) -> NDArray[np.int64]:
    """Return this rank's part of a batch's rows.

    All parts have equal length, and together a multiple of `multiple` rows: row 0 is repeated at the end if there are
    too few. The loss ignores the repeated rows.
    """
    rank, size = rank_and_world_size()
    each = -(-(-(-len(rows) // multiple) * multiple) // size)
    padded = np.concatenate([rows, np.repeat(rows[:1], each * size - len(rows))])
    return padded[rank * each : (rank + 1) * each]


def wrap(network: nn.Module) -> nn.Module:
    """Return a module whose gradients are averaged over the ranks; `network` itself if there is one rank."""
    return DistributedDataParallel(network) if rank_and_world_size()[1] > 1 else network


def gather_from_all_ranks(embeddings: Tensor) -> Tensor:
    """Return the (N, E) embeddings of all ranks in one tensor, with a gradient for this rank's rows only.

    Summed over ranks, that is the gradient of the whole batch. Negatives are shared by all ranks in this way.
    """
    rank, size = rank_and_world_size()
    if size == 1:
        return embeddings
    parts = [torch.empty_like(embeddings) for _ in range(size)]
    dist.all_gather(parts, embeddings.detach().contiguous())
    parts[rank] = embeddings
    return torch.cat(parts)
