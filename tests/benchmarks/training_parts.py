"""Speed of each part of a training, in images a second, against the step that they feed; the slowest is marked.

    python -m tests.benchmarks.training_parts [--device cpu|cuda] [--preset cpu-small] [--pack FILE] [--quadruples N]

The Cypher stream is read from a separate Neo4j server. A quadruple counts as the four images of its step;
`--quadruples 0` skips the stream on machines without Neo4j. Without a pack the pictures are synthetic noise, which is
slower to decode than real patches.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from tests.training.tiny import TinySource
from training.batches import Cursor, ranking_batches
from training.context import context_batch
from training.context_stream import context_batches, cutting_processes
from training.devices import choose_device, put
from training.encoder import Encoder, encode
from training.links import Links
from training.networks import Network
from training.pack import PackSource
from training.pixels import PATCH_BYTES, PatchPixels
from training.recipes import get_recipe
from training.source import TrainingSource
from training.step import StepInput, compute_loss, to_input

_SECONDS = 3.0  # time for which each part is measured


def rate(work: Callable[[], int], device: torch.device) -> float:
    """Return the images a second of `work`, which returns its number of images, after one warm-up call."""
    work()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        done += work()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return done / (time.perf_counter() - began)


def decoded(jpegs: list[bytes], threads: ThreadPoolExecutor) -> int:
    """Decode some patches; returns their number."""
    return len(Encoder.decode(jpegs, threads))


def cypher_rate(quadruples: int) -> float:
    """Stream quadruples from a separate Neo4j server; returns quadruples a second."""
    # here, because a machine that only trains has no Neo4j
    from graph.generations.writer import write_generation
    from tests.benchmarks.linking_graph import make_linking, read_ours, write_patches
    from tests.temporary_neo4j import temporary_neo4j

    with temporary_neo4j() as details, details.connect() as connection:
        write_patches(connection, 5000, 2)
        generation = write_generation(connection, make_linking(5000, quadruples // 4, 1), "bench")
        read_ours(connection, generation)
        began = time.perf_counter()
        count, _ = read_ours(connection, generation)
        return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="cpu-small")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--quadruples", type=int, default=40_000)
    given = parser.parse_args()
    device = choose_device(given.device)
    source: TrainingSource = PackSource(given.pack) if given.pack else TinySource(videos=12, tracks=20, parents=5)
    recipe, context = get_recipe("transitive", given.preset), get_recipe("context", given.preset)
    table, frames = source.table(), list(source.frames())
    links = Links(table, source)
    stream = ranking_batches(source, recipe, table, links, 0, 0, Cursor())
    batch = next(stream)
    network = put(Network(recipe), device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    held = PatchPixels(source, table, device, len(table.ids) * PATCH_BYTES)
    read = PatchPixels(source, table, device, 0)
    inputs = to_input(batch, held.get(batch.rows), None, None, device)
    everything = held.get(np.arange(len(table.ids)))
    step = iter(range(10**9))
    endless = replace(context, iterations=10**9)
    cut_ahead = context_batches(frames, endless, 0, 0, torch.device("cuda"))  # in processes, as for a GPU

    def train(some: StepInput) -> int:
        loss, _ = compute_loss(network, network, recipe, some, 0, 0, measure=False)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        return len(some.pixels)

    parts: dict[str, Callable[[], int]] = {
        "training step alone (what is fed)": lambda: train(inputs),
        "batches of pairs and negatives": lambda: sum(len(some.rows) for some in islice(stream, 5)),
        "patches read and decoded": lambda: len(read.get(batch.rows)),
        "patches held on the device": lambda: len(held.get(batch.rows)),
        "context patches cut in threads": lambda: len(
            context_batch(frames, context, 0, next(step), threads=read.threads).patches
        ),
        f"context patches cut in {cutting_processes()} processes": lambda: sum(
            len(some.patches) for some in islice(cut_ahead, 20)
        ),
        "encoder alone, pool5 and embedding": lambda: len(encode(network, everything, "embedding", device)),
    }
    rates = {name: rate(work, device) for name, work in parts.items()}
    jpegs = source.patch_jpegs([table.ids[row] for row in batch.rows])
    for count in (1, 2, 4, 16):
        with ThreadPoolExecutor(count) as some:
            rates[f"patches decoded in {count} threads"] = rate(partial(decoded, jpegs, some), device)
    if given.quadruples:
        rates["Cypher stream, 4 images a quadruple"] = 4 * cypher_rate(given.quadruples)
    fed = rates.pop("training step alone (what is fed)")
    print(f"{given.preset} on {device}, torch {torch.__version__}, {'a pack' if given.pack else 'made-up pictures'}")
    print(f"{'training step alone (what is fed)':<38}{fed:12,.0f} images/s")
    for name, found in rates.items():
        print(f"{name:<38}{found:12,.0f} images/s {found / fed:9.1f} × the step")
    del rates["encoder alone, pool5 and embedding"]  # feeds nothing
    feeders = {name: found for name, found in rates.items() if "threads" not in name}
    print(f"Slowest feeder: {min(feeders, key=feeders.__getitem__)}")
    held.close()
    read.close()


if __name__ == "__main__":
    main()
