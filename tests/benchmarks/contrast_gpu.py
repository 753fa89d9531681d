"""Speed of `contrast` steps relative to the device's measured matrix rate, and the cost of its augmentation.

python -m tests.benchmarks.contrast_gpu                         an H200's preset
python -m tests.benchmarks.contrast_gpu --device cpu --preset demo --pictures 32
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from tests.benchmarks.device_timing import seconds
from training.contrast_stream import ContrastBatch
from training.devices import choose_device, put
from training.networks import Network
from training.recipe import Recipe
from training.recipes import get_recipe
from training.step import compute_loss, to_input, views_to_contrast


def flops_of_a_view(recipe: Recipe, device: torch.device) -> float:
    """Return the forward FLOPs of the convolutions on one view; a multiply and an add count as two."""
    found: list[float] = []

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        found.append(2.0 * weight[0].numel() * output[0].numel())

    network = put(Network(recipe), device).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network.pool5(torch.zeros((1, 3, recipe.view_side, recipe.view_side), device=device))
    return sum(found)


def measure(recipe: Recipe, device: torch.device, rate: float, repeats: int, compiled: bool) -> str:
    """Time the step of one recipe; returns a row of a Markdown table."""
    network = put(Network(recipe), device).train()
    if compiled:
        network.compile()
    count, side = recipe.contrast_pictures, recipe.picture_side
    pixels = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, device=device)
    inputs = to_input(None, None, None, ContrastBatch(np.arange(count), pixels), device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)

    def step() -> None:
        loss, _ = compute_loss(network, network, recipe, inputs, 0, 0, measure=False)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()

    took = seconds(step, device, repeats, warm=3)
    augmenting = seconds(lambda: views_to_contrast(network, recipe, inputs, 0, 0), device, repeats, warm=3)
    share = 3 * flops_of_a_view(recipe, device) * 2 * count / took / rate
    how = "compiled" if compiled else "as it is"
    return (
        f"| {count} pictures, views of {recipe.view_side}, {how} | {1e3 * took:.1f} ms "
        f"| {2 * count / took:,.0f} views/s | {share:.1%} | {1e3 * augmenting:.2f} ms |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="h200")
    parser.add_argument("--pictures", type=int, default=0, help="in a mini-batch; 0: the preset's")
    given = parser.parse_args()
    device = choose_device(given.device)
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    side = 8192 if on_gpu else 1024
    square = torch.randn(side, side, device=device, dtype=torch.bfloat16 if on_gpu else torch.float32)
    rate = 2 * side**3 / seconds(lambda: square @ square, device, 10, warm=3)
    print(f"matrix product, {side}, {square.dtype}: {rate / 1e12:.3g} TFLOP/s\n")
    print("| batch | step | rate | of the matrix rate | augmentation |\n|---|---|---|---|---|")
    recipe = get_recipe("contrast", given.preset)
    recipe = replace(recipe, contrast_pictures=given.pictures or recipe.contrast_pictures)
    for views in (64, 96):
        for compiled in (False, True) if on_gpu else (False,):
            print(measure(replace(recipe, view_side=views), device, rate, 10 if on_gpu else 2, compiled), flush=True)


if __name__ == "__main__":
    main()
