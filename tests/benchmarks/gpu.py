"""Speed of VGG16 at 96x96 on a GPU, relative to its measured bf16 matrix rate (`make bench-gpu`).

    python -m tests.benchmarks.gpu [--images 1600] [--recipe transitive] [--pack FILE] [--report FILE.md]
    python -m tests.benchmarks.gpu --device cpu --images 8 --preset demo      the same code at a size for CPUs

It measures training (forward and backward, eager and compiled), encoding, and the loader alone. It forecasts the
paper's schedule and shows the time of a step by layer and by kernel. With a pack the patches are real; without one they
are synthetic, and the report says so. On a GPU the report is written to docs/benchmarks/.
"""

import argparse
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from tests.training.tiny import TinySource
from training.batches import Cursor, ranking_batches
from training.devices import choose_device, put
from training.inference import pool5_of
from training.links import Links
from training.networks import Network
from training.pack import PackSource
from training.pixels import PATCH_BYTES, PatchPixels
from training.recipes import get_recipe
from training.source import TrainingSource
from training.step import compute_loss, to_input

REPORTS = Path(__file__).parents[2] / "docs" / "benchmarks"


class Clock:
    """Timer of work on one device."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the mean seconds of `repeats` calls after three warm-up calls."""
        for _ in range(3):
            work()
        self.wait()
        began = time.perf_counter()
        for _ in range(self.repeats):
            work()
        self.wait()
        return (time.perf_counter() - began) / self.repeats


def short(device: torch.device) -> AbstractContextManager[object]:
    """Return a context with bf16 where the trainer uses it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def layer_flops(network: Network) -> dict[nn.Module, float]:
    """Return the forward FLOPs of one image in each convolution and linear layer; a multiply-add counts as two."""
    found: dict[nn.Module, float] = {}

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        found[layer] = 2.0 * weight[0].numel() * output[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    device = next(network.parameters()).device
    with torch.inference_mode():
        network(network.prepare(torch.zeros((1, 96, 96, 3), dtype=torch.uint8, device=device)), None, None)
    for hook in hooks:
        hook.remove()
    return found


def layer_times(network: Network, images: int, flops: dict[nn.Module, float], rate: float, clock: Clock) -> list[str]:
    """Time each layer of trunk and embedding separately, forward and backward; returns rows of a Markdown table."""
    rows = ["| layer | input | forward | backward | of the matrix rate |", "|---|---|---|---|---|"]
    pixels = torch.zeros((images, 96, 96, 3), dtype=torch.uint8, device=clock.device)
    value = network.prepare(pixels).detach()
    assert isinstance(network.features, nn.Sequential)
    assert network.embedding is not None
    for name, layer in [*network.features.named_children(), *network.embedding.named_children()]:
        if isinstance(layer, nn.Linear) and value.ndim == 4:
            value = value.contiguous().flatten(1)
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            layer = nn.ReLU() if isinstance(layer, nn.ReLU) else layer  # an in-place ReLU would change its input
        given = value.requires_grad_(True)

        def forward(layer: nn.Module = layer, given: torch.Tensor = given) -> torch.Tensor:
            with short(clock.device):
                result: torch.Tensor = layer(given)
            return result

        output = forward()
        gradient = torch.ones_like(output)

        def both(forward: Callable[[], torch.Tensor] = forward, gradient: torch.Tensor = gradient) -> None:
            torch.autograd.backward(forward(), gradient)

        ahead = clock.seconds(forward)
        back = clock.seconds(both) - ahead
        share = f"{100 * 3 * flops[layer] * images / (ahead + back) / rate:.0f} %" if layer in flops else ""
        shape = "x".join(str(size) for size in given.shape[1:])
        text = f"{type(layer).__name__} {name}"
        rows.append(f"| {text} | {shape} | {1e3 * ahead:.2f} ms | {1e3 * back:.2f} ms | {share} |")
        value = output.detach()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--images", type=int, default=1600, help="in a mini-batch")
    parser.add_argument("--recipe", default="transitive", help="tracking: a small pack's links share too few patches")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    device = choose_device(given.device)
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    clock = Clock(device, 10 if on_gpu else 2)
    what = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    lines = [
        f"# {what} on {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, Python "
        f"{platform.python_version()}; preset {given.preset}; patches: "
        f"{'real, from a pack' if given.pack else 'made up'}; "
        f"`python -m tests.benchmarks.gpu --images {given.images} --recipe {given.recipe}`",
        "",
        "| what | measured |",
        "|---|---|",
    ]

    def say(what: str, value: str) -> None:
        lines.append(f"| {what} | {value} |")
        print(lines[-1], flush=True)

    side = 8192 if on_gpu else 1024
    square = torch.randn(side, side, device=device, dtype=torch.bfloat16 if on_gpu else torch.float32)
    rate = 2 * side**3 / clock.seconds(lambda: square @ square)
    say(f"matrix product, {side}, {square.dtype}", f"{rate / 1e12:.3g} TFLOP/s")

    recipe = get_recipe(given.recipe, given.preset)
    images_per_pair = recipe.ranked_per_step / recipe.batch_pairs
    recipe = replace(recipe, batch_pairs=round(given.images / images_per_pair))
    network = put(Network(recipe), device)
    each = layer_flops(network)
    flops = sum(each.values())
    made_up = TinySource(videos=60, tracks=20, parents=10) if on_gpu else TinySource()
    source: TrainingSource = PackSource(given.pack) if given.pack else made_up
    table = source.table()
    pixels = PatchPixels(source, table, device, len(table.ids) * PATCH_BYTES)
    stream = ranking_batches(source, recipe, table, Links(table, source), 0, 0, Cursor())
    batch = next(stream)
    inputs = to_input(batch, pixels.get(batch.rows), None, None, device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        loss, _ = compute_loss(network, network, recipe, inputs, 0, 0, measure=False)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()

    images = len(batch.rows)
    say("forward of one image", f"{flops / 1e9:.2f} GFLOP")
    paper = get_recipe("transitive")
    schedule = paper.iterations * paper.images_per_step / 60

    def time_step(how: str) -> None:
        took = clock.seconds(step)
        say(f"training step, {how}", f"{images} images in {1e3 * took:.1f} ms, {images / took:.0f} images/s")
        share = 100 * 3 * flops * images / took / rate
        say(f"of the matrix rate, {how} (goal 45 %, least 25 %)", f"{share:.1f} %")
        forecast = schedule * took / images
        say(f"the paper's schedule (200K x 100 pairs), {how} (goal below 30 min)", f"{forecast:.1f} min")

    time_step("as it is")

    # training sets cudnn.benchmark for batches of one shape, encoding does not
    torch.backends.cudnn.benchmark = False
    trunk = sum(value for layer, value in each.items() if isinstance(layer, nn.Conv2d))
    found: list[torch.Tensor] = []
    for how, pool5 in (("as the encoder does", pool5_of(network)), ("by the trainer's layers", network.pool5)):

        def encode(pool5: Callable[[torch.Tensor], torch.Tensor] = pool5) -> torch.Tensor:
            with torch.inference_mode(), short(device):
                return pool5(network.prepare(inputs.pixels))

        took = clock.seconds(encode)
        share = 100 * trunk * images / took / rate
        text = f"{images / took:.0f} images/s, {share:.1f} % of the matrix rate"
        say(f"encoding to pool5, {how} (goal 40 %)", text)
        found.append(encode().float())
    difference = float((found[0] - found[1]).norm() / found[1].norm())
    say("the two, relative difference", f"{difference:.1e}")
    torch.backends.cudnn.benchmark = True
    began = time.perf_counter()
    made = sum(len(pixels.get(some.rows)) for some in islice(stream, 5))
    clock.wait()
    say("loader alone, first pass (decodes)", f"{made / (time.perf_counter() - began):.0f} images/s")
    pixels.get(np.arange(len(table.ids)))
    took = clock.seconds(lambda: pixels.get(batch.rows))
    say("held patches to a batch", f"{images / took:.0f} images/s")

    layers = layer_times(network, images, each, rate, clock)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    step()
    clock.wait()
    with profile(activities=activities) as trace:
        step()
        clock.wait()
    network.compile()
    began = time.perf_counter()
    step()
    clock.wait()
    say("compiling", f"{time.perf_counter() - began:.1f} s")
    time_step("compiled")
    order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    lines += ["", "Layer by layer, each alone:", "", *layers, "", "Kernel by kernel, one step as it is:", "", "```"]
    lines += [trace.key_averages().table(sort_by=order, row_limit=20), "```", ""]
    pixels.close()
    named = f"{what.lower().replace(' ', '-')}-{datetime.now(UTC):%Y-%m-%d}.md"
    report = given.report or (REPORTS / named if on_gpu else None)
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("\n".join(lines))
        print(f"written: {report}")


if __name__ == "__main__":
    main()
