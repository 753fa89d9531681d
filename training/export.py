"""Export of a model for other software: a torchvision state dict, or ONNX."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from graph.errors import InvalidInput, NoDevice
from training.model_folder import load_network
from training.networks import Network, torchvision_state


def export_torchvision(folder: Path, path: Path) -> list[str]:
    """Write the trunk under torchvision's names to a .safetensors or .pth file; returns the names.

    For trunk vgg16, `torchvision.models.vgg16().load_state_dict(state, strict=False)` misses only `classifier.*`.
    """
    network, _, _ = load_network(folder)
    state = {name: value.contiguous() for name, value in torchvision_state(network).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(state, path, {"format": "pt"})
    elif path.suffix in (".pth", ".pt"):
        torch.save(state, path)
    else:
        raise InvalidInput(f"{path.name} has an unknown suffix. Use .safetensors, .pth or .onnx.")
    return sorted(state)


class _Exported(nn.Module):
    """Map from uint8 (N, 96, 96, 3) to pool5 (N, D) and, if the model has one, the embedding (N, E) of length 1."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        pool5 = self.network.pool5(self.network.prepare(pixels))
        if self.network.embedding is None:
            return (pool5,)
        return pool5, functional.normalize(self.network.embedding(pool5), dim=1)


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress the exporter's output, log lines and warnings; errors are still raised."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def export_onnx(folder: Path, path: Path) -> list[str]:
    """Write an ONNX file with input `pixels` and outputs `pool5` (and `embedding`), any batch size.

    Raises `NoDevice` if the `onnx` extra is not installed.
    """
    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it and fails with a long stack trace
    except ImportError:
        raise NoDevice("ONNX export needs its extra: pip install 'transitive-invariance[onnx]'.") from None
    network, _, _ = load_network(folder)
    outputs = ["pool5"] + (["embedding"] if network.embedding is not None else [])
    example: Any = (torch.zeros((2, 96, 96, 3), dtype=torch.uint8),)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _silenced():
        torch.onnx.export(
            _Exported(network).eval(),
            example,
            str(path),
            input_names=["pixels"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return outputs
