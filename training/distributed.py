"""torchrun's environment comes in; this process' rank and the network wrapped for many processes go out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def world() -> tuple[int, int]:
    """Return this process' rank and how many there are: (0, 1) without torchrun."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def ranks_here() -> int:
    """Return how many ranks torchrun started on this machine: 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def ranks(device: torch.device) -> Iterator[torch.device]:
    """Join the other ranks where torchrun started several; yields this rank's device."""
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
    """Return this rank's part of a batch's rows, of a `multiple` of rows in all ranks together.

    All parts are as long, so the last ones may repeat row 0; the loss leaves out what is behind the batch's rows.
    """
    rank, size = world()
    each = -(-(-(-len(rows) // multiple) * multiple) // size)
    padded = np.concatenate([rows, np.repeat(rows[:1], each * size - len(rows))])
    return padded[rank * each : (rank + 1) * each]


def wrap(network: nn.Module) -> nn.Module:
    """Let gradients be averaged over the ranks where there are several."""
    return DistributedDataParallel(network) if world()[1] > 1 else network
