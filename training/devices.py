"""A device's name comes in ("auto", "cpu", "cuda", "cuda:1"); a torch device that is there goes out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from graph.errors import InvalidInput, NoDevice
from training.networks import Network

_settings: Any = torch.utils.deterministic  # its one attribute is unknown to torch's own type hints


def choose_device(name: str = "auto") -> torch.device:
    """Pick the GPU where there is one for "auto"; raises `NoDevice` for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidInput(f"{name!r} is no device. Say auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise NoDevice(
            f"There is no device {name!r} here ({torch.cuda.device_count()} GPUs seen by torch {torch.__version__}). "
            "Use --device cpu, or a machine with the GPU and the CUDA build of torch."
        )
    if device.type not in ("cpu", "cuda"):
        raise InvalidInput(f"{name!r} is not supported. Say auto, cpu, cuda or cuda:N.")
    return device


def put(network: Network, device: torch.device) -> Network:
    """Move a network to the device, its weights stored channels last: as the pictures are, and faster everywhere."""
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@contextmanager
def steady(device: torch.device, same_shapes: bool) -> Iterator[None]:
    """Let a CPU add in one order while a network trains; what the process had set before comes back afterwards.

    Several threads would add the gradients of one image, shared by its pairs, in any order: measured, two trainings of
    one seed parted within ten steps. A GPU is left its speed, and where all batches have one shape it tries out once
    which kernels are the fastest for it.
    """
    before = torch.are_deterministic_algorithms_enabled(), _settings.fill_uninitialized_memory
    tried = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(device.type == "cpu")
    torch.backends.cudnn.benchmark = same_shapes
    _settings.fill_uninitialized_memory = False  # a debugging aid that costs a pass over every tensor
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        _settings.fill_uninitialized_memory = before[1]
        torch.backends.cudnn.benchmark = tried
