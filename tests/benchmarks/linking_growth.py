"""How linking grows with the number of patches: time, memory and disk for each size, on pool5-like vectors.

python -m tests.benchmarks.linking_growth [--counts 4000 8000 16000]
"""

import argparse
import resource
import time

import numpy as np

from graph.linking.parameters import LinkParameters
from graph.linking.run import link
from graph.records import Patch
from tests.benchmarks.linking_data import pool5_like
from training.assignment import nearest_on, points_on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[4000, 8000, 16000])
    arguments = parser.parse_args()
    print("| patches | K | K-means s (CPU s) | children s (CPU s) | edges | features MiB | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for count in arguments.counts:
        features = pool5_like(count, directions=count // 40)
        patches = [Patch(f"{row:016x}", f"v{row // 10}", row, 0.0, 0, 0, 9, 9, "start") for row in range(count)]
        marks: dict[str, tuple[float, float]] = {}

        def mark(stage: str, done: int, total: int, unit: str, marks: dict = marks) -> None:
            marks.setdefault(stage, (time.perf_counter(), time.process_time()))

        linking = link(features, patches, LinkParameters(), points_on("cpu"), nearest_on("cpu"), progress=mark)
        kmeans, near = (np.subtract(marks[b], marks[a]) for a, b in (("parents", "children"), ("children", "quality")))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {count:,} | {linking.parameters.parents} | {kmeans[0]:.1f} ({kmeans[1]:.1f}) | {near[0]:.1f} "
            f"({near[1]:.1f}) | {len(linking.pairs):,} | {features.nbytes / 2**20:.0f} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
