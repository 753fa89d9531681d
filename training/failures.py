"""Failures of a training: the saved batch whose loss was not finite, its replay, and the error for a full GPU."""

from pathlib import Path

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from graph.atomic_write import atomic_write
from graph.errors import NoDevice, TransitiveError
from training.model_folder import read_weights
from training.networks import Network
from training.recipe import Recipe
from training.step import StepInput, compute_loss


def not_finite(
    output: Path, network: Network, inputs: StepInput, recipe: Recipe, seed: int, step: int, value: float
) -> TransitiveError:
    """Save the batch and the weights whose loss is NaN or infinite; returns the error that names the replay."""
    batch = {name: tensor.cpu().contiguous() for name, tensor in inputs.tensors().items()}
    atomic_write(output / "bad_batch.safetensors", save_safetensors(batch | {"step": torch.tensor(step)}))
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    atomic_write(output / "bad_weights.safetensors", save_safetensors(weights))
    return TransitiveError(
        f"The loss became {value} at step {step + 1}. The batch and the weights are kept: `python -m training replay "
        f"{recipe.name} --preset {recipe.preset} --seed {seed} --output {output}` computes it again. "
        "Lower the learning rate, or look at those patches."
    )


def replay(output: Path, recipe: Recipe, seed: int) -> float:
    """Compute the loss of the batch that stopped the training in `output` again, on the CPU."""
    network = Network(recipe)
    weights = read_weights(output / "bad_weights.safetensors")
    if not any(key.startswith("norms.") for key in weights):
        network.norms = nn.ModuleDict()
    network.load_state_dict(weights)
    saved: dict[str, Tensor] = read_weights(output / "bad_batch.safetensors")
    step = int(saved.pop("step"))
    loss, _ = compute_loss(network.train(), network, recipe, StepInput(**saved), seed, step, measure=False)
    return loss.item()


def too_large(recipe: Recipe, device: torch.device) -> NoDevice:
    """Return the error for a batch that does not fit into the memory of `device`, with a batch size that would."""
    images = recipe.images_per_step
    total = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    fits = images_that_fit(images, total, peak)
    return NoDevice(
        f"A mini-batch of {images} images does not fit into the memory of {device}. About {fits} images would: "
        f"set batch_pairs to {max(2, recipe.batch_pairs * fits // images)}, or take a larger device or smaller preset."
    )


def images_that_fit(images: int, total: int, peak: int) -> int:
    """Estimate how many images fit, a multiple of 4 and at least 8.

    Args:
        images: of the batch that did not fit.
        total: bytes of the device's memory, 0 if unknown.
        peak: bytes allocated before the failure. The failed allocation is assumed to be as large as those before it, so
            an image needs about 2 · peak / images bytes. A fifth of the memory is left free.
    """
    share = min(0.5, 0.8 * total / (2 * peak)) if total and peak else 0.5
    return max(8, int(images * share) // 4 * 4)
