"""Benchmark of K-means on pool5-like vectors: ours (bf16 in torch, float16 data) against `faiss.Kmeans` (float32).

    python -m tests.benchmarks.linking_kmeans [--count 50000] [--parents 250] [--iterations 8] [--threads 1]

Each runs in its own process, to measure the peak of its anonymous memory beyond that of the libraries. Pages of mapped
files do not count, because the system can reclaim them. Both are compared by the same float32 objective. On a machine
with other load, compare CPU seconds with one thread. Goal: 1.8 × as fast with half the memory, and an objective within
0.5 %.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.linking_data import pool5_like


def anonymous_mib() -> float:
    """Return the process's anonymous memory, without pages of mapped files, which the system can reclaim."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Watch(threading.Thread):
    """Sampler of the memory, fifty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.over = 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, anonymous_mib())

    def stop(self) -> float:
        self.over.set()
        self.join()
        return self.most


def run(kind: str, file: Path, parents: int, iterations: int, threads: int) -> None:
    """Cluster the vectors in `file`; writes the centroids beside it and prints the measures as JSON."""
    import faiss
    import torch  # each process loads both libraries, so that only the data's memory differs

    from graph.linking.parents import train_centroids
    from graph.linking.points import NumpyPoints
    from training.assignment import points_on

    if threads:
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)
    width = 4608
    before = anonymous_mib()
    watch = Watch()
    mapped = np.memmap(file, np.float16, "c").reshape(-1, width)  # mapped as in linking, and only read
    if kind == "faiss":
        data = np.empty(mapped.shape, np.float32)  # faiss requires float32
        for start in range(0, len(data), 4096):
            data[start : start + 4096] = mapped[start : start + 4096]
        wall, cpu = time.perf_counter(), time.process_time()
        kmeans = faiss.Kmeans(width, parents, niter=iterations, seed=1, max_points_per_centroid=len(data))
        kmeans.train(data)
        kmeans.index.search(data, 1)  # the final assignment, which is also part of ours
        centroids = kmeans.centroids
    else:
        wall, cpu = time.perf_counter(), time.process_time()
        make = points_on("cpu") if kind == "torch" else NumpyPoints
        centroids = train_centroids(mapped, parents, 1, iterations=iterations, assign=make)
        make(mapped).assign(centroids)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    np.save(file.with_name(f"{kind}.npy"), centroids)
    print(json.dumps({"seconds": wall, "cpu": cpu, "peak_mib": watch.stop() - before}))


def objective(file: Path, centroids: np.ndarray) -> float:
    import faiss

    features, total = np.memmap(file, np.float16, "r").reshape(-1, 4608), 0.0
    for start in range(0, len(features), 8192):
        distances, _ = faiss.knn(features[start : start + 8192].astype(np.float32), centroids, 1)
        total += float(distances.sum(dtype=np.float64))
    return total / len(features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--parents", type=int, default=250)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are")
    parser.add_argument("--run", choices=["faiss", "torch", "numpy"])
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run, arguments.file, arguments.parents, arguments.iterations, arguments.threads)
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "features.f16"
        pool5_like(arguments.count).tofile(file)
        found = {}
        for kind in ("faiss", "torch", "numpy"):
            command = [sys.executable, "-m", "tests.benchmarks.linking_kmeans", "--run", kind, "--file", str(file)]
            command += ["--parents", str(arguments.parents), "--iterations", str(arguments.iterations)]
            command += ["--threads", str(arguments.threads)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[kind] = json.loads(output) | {"objective": objective(file, np.load(Path(folder) / f"{kind}.npy"))}
    theirs = found["faiss"]
    print(
        f"K-means, {arguments.count:,} × 4608, K = {arguments.parents}, {arguments.iterations} iterations + assignment"
    )
    for kind, row in found.items():
        print(
            f"{kind:6} {row['seconds']:7.2f} s ({theirs['seconds'] / row['seconds']:.2f} ×)   CPU {row['cpu']:7.2f} s "
            f"({theirs['cpu'] / row['cpu']:.2f} ×)   peak {row['peak_mib']:6.0f} MiB "
            f"({row['peak_mib'] / theirs['peak_mib']:.2f})   objective {row['objective']:.5f} "
            f"({row['objective'] / theirs['objective'] - 1:+.2%})"
        )


if __name__ == "__main__":
    main()
