"""Seconds per positive pair of one training step: ours against three towers and pytorch-metric-learning's triplet loss.

    python -m tests.benchmarks.training_step [--device cpu|cuda] [--width 0.25] [--quadruples 8] [--repeats 3]

Both train the same network on the same pairs and negatives. The three towers encode X, X+ and X- of every triplet. Ours
encodes each image of the mini-batch once.
"""

import argparse
import statistics
import time
from dataclasses import replace
from itertools import islice

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss

from tests.training.tiny import TinySource
from training.batches import Cursor, ranking_batches
from training.devices import choose_device, put
from training.encoder import Encoder
from training.links import Links
from training.networks import Network
from training.recipes import get_recipe
from training.step import compute_loss, to_input


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=float, default=0.25, help="1: the whole VGG16")
    parser.add_argument("--quadruples", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    device = choose_device(given.device)
    recipe = replace(
        get_recipe("transitive"), trunk="vgg16-narrow", width=given.width, batch_pairs=5 * given.quadruples
    )
    source = TinySource(videos=8, tracks=8, parents=4)
    table = source.table()
    batch = next(islice(ranking_batches(source, recipe, table, Links(table, source), 0, 0, Cursor()), 1))
    pixels = torch.from_numpy(Encoder.decode(source.patch_jpegs([table.ids[row] for row in batch.rows]))).to(device)
    network = put(Network(recipe), device)
    inputs = to_input(batch, pixels, None, None, device)
    optimiser = torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)

    def ours() -> None:
        loss, _ = compute_loss(network, network, recipe, inputs, 0, 0, measure=False)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    # The alternative: three towers over the triplets, whose indices go to the library's loss.
    triplets = torch.cat([inputs.pairs, inputs.negatives], 1)
    towers = [pixels[triplets[:, tower]] for tower in range(3)]
    count = len(triplets)
    place = torch.arange(count, device=device)
    triple = (place, place + count, place + 2 * count)
    criterion = TripletMarginLoss(margin=recipe.margin, distance=CosineSimilarity())

    def three_towers() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            vectors = [network(network.prepare(tower), None, None)[0] for tower in towers]
        loss = criterion(torch.cat(vectors).float(), indices_tuple=triple)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    seconds: dict[str, list[float]] = {"ours": [], "three towers": []}
    for repeat in range(given.repeats + 1):
        for name, step in (("ours", ours), ("three towers", three_towers)):
            began = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if repeat:  # the first warms up
                seconds[name].append((time.perf_counter() - began) / count)
    for name, values in seconds.items():
        print(f"{name:>14}: {1e3 * statistics.median(values):8.2f} ms a pair (min {1e3 * min(values):.2f})")
    ratio = statistics.median(seconds["three towers"]) / statistics.median(seconds["ours"])
    print(f"{count} pairs of {len(batch.rows)} images, width {given.width}, {device}, torch {torch.__version__}")
    print(f"ratio: {ratio:.2f} (goal: at least 3)")


if __name__ == "__main__":
    main()
