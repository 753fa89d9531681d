"""Mean time of a call on a device; the GPU is synchronised before and after."""

import time
from collections.abc import Callable

import torch


def seconds(work: Callable[[], object], device: torch.device, repeats: int, warm: int) -> float:
    """Return the mean seconds of `repeats` calls, after `warm` calls that are not counted."""
    for _ in range(warm):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats
