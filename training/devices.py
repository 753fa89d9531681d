"""A device's name comes in ("auto", "cpu", "cuda", "cuda:1"); a torch device that is there goes out."""

import torch

from graph.errors import InvalidInput, Unavailable
from training.networks import Network


def choose_device(name: str = "auto") -> torch.device:
    """Pick the GPU where there is one for "auto"; raises `Unavailable` for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidInput(f"{name!r} is no device. Say auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise Unavailable(
            f"There is no device {name!r} here ({torch.cuda.device_count()} GPUs seen by torch {torch.__version__}). "
            "Use --device cpu, or a machine with the GPU and the CUDA build of torch."
        )
    if device.type not in ("cpu", "cuda"):
        raise InvalidInput(f"{name!r} is not supported. Say auto, cpu, cuda or cuda:N.")
    return device


def put(network: Network, device: torch.device) -> Network:
    """Move a network to the device, its weights stored channels last: as the pictures are, and faster everywhere."""
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
