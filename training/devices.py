"""The choice of a torch device, and the settings under which a network trains on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from graph.errors import InvalidInput, NoDevice
from training.networks import Network

_settings: Any = torch.utils.deterministic  # torch's type hints lack its one attribute


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises `NoDevice` for a device that this machine lacks, `InvalidInput` for an unknown name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidInput(f"{name!r} is not a device. Use auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise NoDevice(
            f"There is no device {name!r} here ({torch.cuda.device_count()} GPUs seen by torch {torch.__version__}). "
            "Use --device cpu, or a machine with the GPU and the CUDA build of torch."
        )
    if device.type not in ("cpu", "cuda"):
        raise InvalidInput(f"{name!r} is not supported. Use auto, cpu, cuda or cuda:N.")
    return device


def put(network: Network, device: torch.device) -> Network:
    """Move a network to the device, its weights in channels-last format like the pictures: the faster format."""
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@contextmanager
def deterministic(device: torch.device, same_shapes: bool) -> Iterator[None]:
    """Train deterministically on a CPU during the block; the process's earlier settings are restored at its end.

    Otherwise several threads add the gradients of an image shared by its pairs in any order, and two trainings of one
    seed diverged within ten steps (measured). A GPU keeps its fast kernels; if all batches have one shape, cuDNN first
    measures which kernels are fastest.
    """
    before = torch.are_deterministic_algorithms_enabled(), _settings.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(device.type == "cpu")
    torch.backends.cudnn.benchmark = same_shapes
    _settings.fill_uninitialized_memory = False  # filling is a debugging aid that costs a pass over every tensor
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        _settings.fill_uninitialized_memory = before[1]
        torch.backends.cudnn.benchmark = benchmark
