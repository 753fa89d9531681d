"""What a GPU does with VGG16 at 96x96, against its own measured bf16 matrix rate: `make bench-gpu`.

    python -m tests.benchmarks.gpu [--images 1600] [--pack FILE] [--report FILE.md]

Training (forward and backward), encoding, the loader alone, the forecast of the paper's schedule, and where a step's
time goes, layer by layer. With a pack the patches are real; without one they are made up, and the report says so.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from tests.training.tiny import TinySource
from training.batches import Cursor, Links, ranking_batches
from training.devices import put
from training.networks import Network
from training.pack import PackSource
from training.pixels import PatchPixels
from training.recipes import get_recipe
from training.step import compute_loss, to_input


def forward_flops(network: Network) -> float:
    """Count one image's forward multiply-adds times two, by hooks on every convolution and linear layer."""
    total = 0

    def count(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        total += 2 * layer.weight[0].numel() * output[0].numel()

    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    device = next(network.parameters()).device
    with torch.inference_mode():
        network(network.prepare(torch.zeros((1, 96, 96, 3), dtype=torch.uint8, device=device)), None, None)
    for hook in hooks:
        hook.remove()
    return float(total)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Time `work` on the GPU: the mean of `repeats` after three to warm up."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1600, help="in a mini-batch")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("No CUDA device here: nothing was measured.")
    device = torch.device("cuda")
    torch.backends.cudnn.benchmark = True
    lines = [
        f"# {torch.cuda.get_device_name()} on {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}; "
        f"patches: {'real, from a pack' if given.pack else 'made up'}; compiled: {given.compile}",
        "",
        "| what | measured |",
        "|---|---|",
    ]

    def say(what: str, value: str) -> None:
        lines.append(f"| {what} | {value} |")
        print(lines[-1])

    square = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    rate = 2 * 8192**3 / seconds(lambda: square @ square, 20)
    say("bf16 matrix product, 8192", f"{rate / 1e12:.0f} TFLOP/s")

    recipe = replace(get_recipe("transitive"), batch_pairs=given.images // 4 * 5)
    network = put(Network(recipe), device)
    flops = forward_flops(network)
    model: torch.nn.Module = network
    if given.compile:
        model.compile()
    source = PackSource(given.pack) if given.pack else TinySource(videos=60, tracks=20, parents=10)
    table = source.table()
    links = Links(table, source)
    pixels = PatchPixels(source, table, device, torch.cuda.mem_get_info()[0] // 4)
    stream = ranking_batches(source, recipe, table, links, 0, 0, Cursor())
    batch = next(stream)
    inputs = to_input(batch, pixels.get(batch.rows), None, device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        loss, _ = compute_loss(model, network, recipe, inputs, 0, 0, measure=False)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    images = len(batch.rows)
    took = seconds(step, 20)
    share = 3 * flops * images / took / rate
    say("forward of one image", f"{flops / 1e9:.2f} GFLOP")
    say("training step", f"{images} images in {1e3 * took:.1f} ms, {images / took:.0f} images/s")
    say("of the matrix rate (goal 45 %, least 25 %)", f"{100 * share:.1f} %")
    paper = get_recipe("transitive")
    say(
        "the paper's schedule (200K x 100 pairs; goal below 30 min)",
        f"{paper.iterations * paper.images_per_step * took / images / 60:.1f} min",
    )
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        took = seconds(lambda: network.pool5(network.prepare(inputs.pixels)), 20)
    say(
        "encoding",
        f"{images / took:.0f} images/s, {100 * flops * images / took / rate:.1f} % of the matrix rate (goal 40 %)",
    )
    began = time.perf_counter()
    made = sum(len(pixels.get(some.rows)) for some in islice(stream, 5))
    torch.cuda.synchronize()
    say("loader alone, first pass (decodes)", f"{made / (time.perf_counter() - began):.0f} images/s")
    rows = np.arange(len(table.ids))
    pixels.get(rows)
    say("held patches to a batch", f"{images / seconds(lambda: pixels.get(batch.rows), 20):.0f} images/s")
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as trace:
        step()
        torch.cuda.synchronize()
    lines += ["", "```", trace.key_averages().table(sort_by="self_cuda_time_total", row_limit=20), "```", ""]
    if given.report:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text("\n".join(lines))
    pixels.close()


if __name__ == "__main__":
    main()
