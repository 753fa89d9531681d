"""Speed of linking's K-means and neighbour search on a device, relative to its measured matrix rates.

    python -m tests.benchmarks.linking_gpu [--device cuda] [--count 1000000] [--parents 5000] [--iterations 3]
    python -m tests.benchmarks.linking_gpu --device cpu --count 20000 --parents 250      the same at a size for CPUs

Goal on a GPU: at least 40 % of the bf16 rate for 1M × 4608 and K = 5000 (the neighbour search multiplies fp16 with
float32 sums).
"""

import argparse
import time

import numpy as np
import torch

from graph.linking.parents import train_centroids
from tests.benchmarks.device_timing import seconds
from tests.benchmarks.linking_data import pool5_like
from training.assignment import nearest_on, points_on
from training.devices import choose_device

WIDTH = 4608


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--parents", type=int, default=5000)
    parser.add_argument("--iterations", type=int, default=3)
    given = parser.parse_args()
    device = choose_device(given.device)
    side = 8192 if device.type == "cuda" else 2048
    square = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    peak = 2 * side**3 / seconds(lambda: square @ square, device, 10, warm=1)
    print(f"{given.count:,} × {WIDTH}, K = {given.parents:,}, on {device}")
    print(f"bf16 product of {side} × {side}: {peak / 1e12:.2f} TFLOP/s")
    piece = pool5_like(min(given.count, 20_000))  # repeated, because the values do not affect the rate
    features = np.tile(piece, (-(-given.count // len(piece)), 1))[: given.count]
    points = points_on(device)(features)
    centroids = features[:: given.count // given.parents][: given.parents].astype(np.float32)
    work = 2.0 * given.count * WIDTH * given.parents
    took = seconds(lambda: points.assign(centroids), device, given.iterations, warm=1)
    print(f"assignment: {took:.2f} s, {work / took / 1e12:.2f} TFLOP/s, {work / took / peak:.0%} of the bf16 rate")
    began = time.perf_counter()
    train_centroids(features, given.parents, 1, iterations=given.iterations, assign=points_on(device))
    took = time.perf_counter() - began
    rate = given.iterations * work / took
    print(
        f"K-means, {given.iterations} iterations, sums and transfers included: {took:.2f} s, "
        f"{rate / 1e12:.2f} TFLOP/s, {rate / peak:.0%} of the bf16 rate"
    )
    parent = features[:2000]
    owners, none = np.arange(len(parent)) // 4, np.empty((0, 2), np.int64)
    search = nearest_on(device)
    took = seconds(lambda: search(parent, owners, none, 10), device, 5, warm=1)
    work = 2.0 * len(parent) ** 2 * WIDTH
    print(f"neighbours in a parent of {len(parent):,}: {took * 1e3:.1f} ms, {work / took / 1e12:.2f} TFLOP/s")


if __name__ == "__main__":
    main()
