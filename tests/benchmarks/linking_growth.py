"""Growth of linking's time, memory and disk space with the number of patches.

    python -m tests.benchmarks.linking_growth [--counts 10000 100000] [--iterations 20] [--sample 256] [--folder DIR]

Each size runs in its own process: pool5-like vectors (4608 numbers) are written as shards of 500 starts and then linked
part by part without helpers (`graph.linking.spread`), as in production. Memory is anonymous memory, because the system
can reclaim pages of mapped files. The last lines fit time = c · N^e to the measurements.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from graph.linking.parameters import PAPER
from graph.linking.parts import Run
from graph.linking.run import link_vectors
from graph.linking.spread import Spread
from graph.linking.track_starts import TrackStarts
from graph.shards import Shards
from tests.benchmarks.linking_data import pool5_like
from tests.benchmarks.linking_kmeans import Watch, anonymous_mib

PER_VIDEO = 500
STAGES = ("sampling", "parents", "assigning", "children", "quality")


def measure(count: int, iterations: int, sample: int, folder: Path) -> dict[str, float]:
    from training.assignment import nearest_on, points_on

    shards = Shards(str(folder / "data"))
    videos = [f"{number // PER_VIDEO:032x}" for number in range(count)]
    nothing = np.zeros((count, 5), np.int64)
    starts = TrackStarts([f"{row:016x}" for row in range(count)], videos, videos, nothing[:, 0], nothing[:, 1:])
    for first in range(0, count, 40 * PER_VIDEO):  # the same directions in every block
        vectors = pool5_like(min(40 * PER_VIDEO, count - first), directions=400, seed=7, draw=first)
        for start in range(0, len(vectors), PER_VIDEO):
            ids = starts.ids[first + start : first + start + PER_VIDEO]
            shards.write_vectors(f"features/net/{videos[first + start]}", ids, vectors[start : start + PER_VIDEO])
    parameters = replace(PAPER, iterations=iterations, sample_per_parent=sample).resolve(count)
    run = Run(shards, "run", "net", parameters, points_on("cpu"), nearest_on("cpu"))
    run.begin()
    marks: dict[str, tuple[float, float]] = {}

    def mark(stage: str, done: int, total: int, unit: str) -> None:
        marks.setdefault(stage, (time.perf_counter(), time.process_time()))

    before, watch = anonymous_mib(), Watch()
    vectors = Spread(run, starts, lambda *_: None, folder / "scratch", mark)
    linking = link_vectors(starts, parameters, vectors, run.assign, mark)
    marks["end"] = (time.perf_counter(), time.process_time())
    scratch = sum(path.stat().st_size for path in (folder / "data" / "linking").rglob("*") if path.is_file())
    found: dict[str, float] = {"patches": count, "K": parameters.parents, "edges": len(linking.pairs)}
    for stage, following in zip(STAGES, (*STAGES[1:], "end"), strict=True):
        found[stage] = marks[following][0] - marks[stage][0]
        found[f"{stage} CPU"] = marks[following][1] - marks[stage][1]
    found |= {"memory MiB": watch.stop() - before, "scratch MiB": scratch / 2**20, "features MiB": count * 4608 / 2**19}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--sample", type=int, default=256)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", type=int)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.iterations, arguments.sample, arguments.folder)))
        return
    print(
        "| patches | K | sampling s | K-means s (CPU s) | assigning s (CPU s) | children s (CPU s) | edges "
        "| memory MiB | scratch MiB | features MiB |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = []
    for count in arguments.counts:
        with TemporaryDirectory(dir=arguments.folder) as folder:
            command = [sys.executable, "-m", "tests.benchmarks.linking_growth", "--one", str(count), "--folder", folder]
            command += ["--iterations", str(arguments.iterations), "--sample", str(arguments.sample)]
            row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        rows.append(row)
        times = " | ".join(f"{row[stage]:.1f} ({row[f'{stage} CPU']:.1f})" for stage in STAGES[1:4])
        print(
            f"| {count:,} | {row['K']:,} | {row['sampling']:.1f} | {times} | {row['edges']:,} "
            f"| {row['memory MiB']:.0f} | {row['scratch MiB']:.0f} | {row['features MiB']:.0f} |",
            flush=True,
        )
    if len(rows) > 1:
        logs = np.log([row["patches"] for row in rows])
        for stage in (*STAGES[:4], "memory MiB", "scratch MiB", "edges"):
            exponent, constant = np.polyfit(logs, np.log([max(row[stage], 1e-3) for row in rows]), 1)
            at_ten_million = np.exp(constant) * 1e7**exponent
            print(f"{stage}: {np.exp(constant):.3g} · N^{exponent:.2f}, so at 10M {at_ten_million:,.0f}")


if __name__ == "__main__":
    main()
