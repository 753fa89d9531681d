"""Benchmark of searching many embeddings: our index against direct calls of faiss, and over HTTP.

    python -m tests.benchmarks.vector_search [--rows 1000000] [--width 1024] [--seconds 15]
    python -m tests.benchmarks.vector_search --rows 3000000 --home DIR --only build
    python -m tests.benchmarks.vector_search --rows 3000000 --home DIR        # only this one needs a quiet machine

The vectors lie on a curved surface of 64 dimensions around 2,000 centres, in float32 shards of 500. Printed: time,
memory and disk of the build; recall@10 over questions that are not in the index; latency and rate of faiss' own
IndexRefine, of our searches, and of `GET /patches/{id}/similar` on an API with a real Neo4j, from eight clients.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from graph.nearest import nearest_by_cosine
from graph.records import Model
from graph.settings import load_settings
from graph.shards import Shards
from graph.vectors.build import update_index
from graph.vectors.index import VectorIndex, index_folder
from graph.vectors.manifest import Manifest
from graph.vectors.segment import FIRST_CANDIDATES
from graph.vectors.selection import Selection
from tests.benchmarks.http_load import Load, get, load
from tests.benchmarks.served import served_api

MODEL = "transitive-0123456789ab"
PER_VIDEO = 500
QUESTIONS = 500
STEPS = {  # what is done until a stage reports
    "collecting vectors": "collecting vectors",
    "training the index": "ids and exact answers",
    "filling the index": "training and filling",
}
CLIENTS = 8

Vectors = NDArray[np.float32]


def generator(width: int) -> Callable[[np.random.Generator, int], Vectors]:
    """Return a function that draws a given number of vectors of length 1."""
    fixed = np.random.default_rng(1)
    centres = fixed.standard_normal((2000, 64), np.float32)
    first = fixed.standard_normal((64, 256), np.float32) / 8
    second = fixed.standard_normal((256, width), np.float32) / 16

    def draw(random: np.random.Generator, count: int) -> Vectors:
        latent = centres[random.integers(0, len(centres), count)]
        latent = latent + 0.6 * random.standard_normal(latent.shape, np.float32)
        rows = np.maximum(np.maximum(latent @ first, 0) @ second, 0)
        made: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return made

    return draw


def write_shards(shards: Shards, draw: Callable[[np.random.Generator, int], Vectors], rows: int) -> None:
    """Write embeddings, and patches without pixels, as many videos as are needed."""
    random = np.random.default_rng(2)
    for video in range(rows // PER_VIDEO):
        ids = [f"{video:08x}{n:08x}" for n in range(PER_VIDEO)]
        shards.write_vectors(f"embeddings/{MODEL}/{video:032x}", ids, draw(random, PER_VIDEO))
        shards.write_rows(f"patches/{video:032x}", {"id": ids, "jpeg": [b""] * PER_VIDEO})


def nearest(shards: Shards, questions: Vectors) -> list[set[str]]:
    """Return the ids of each question's ten nearest, by comparing every vector."""
    best: list[list[tuple[float, str]]] = [[] for _ in questions]
    for _, ids, vectors in shards.all_vectors(f"embeddings/{MODEL}"):
        rows, cosines = nearest_by_cosine(vectors, questions, 10)
        for place, (own, values) in enumerate(zip(rows, cosines, strict=True)):
            best[place] = sorted(best[place] + [(-float(c), ids[r]) for r, c in zip(own, values, strict=True)])[:10]
    return [{patch for _, patch in ten} for ten in best]


def refined(segment: Path, manifest: Manifest) -> Any:
    """Return what faiss offers for the same search: the same inverted file, refined by float16 vectors in memory."""
    inverted = faiss.read_index(str(segment / "inverted.faiss"), faiss.IO_FLAG_MMAP)
    faiss.downcast_index(inverted.index).nprobe = manifest.visited
    exact = faiss.IndexScalarQuantizer(manifest.dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2)
    stored = np.memmap(segment / "vectors.f16", np.float16, "r", shape=(manifest.rows, manifest.dimension))
    for start in range(0, manifest.rows, 65_536):
        exact.add(stored[start : start + 65_536].astype(np.float32))
    index = faiss.IndexRefine(inverted, exact)
    index.k_factor = FIRST_CANDIDATES / 10
    index.referenced_objects = [inverted, exact]  # faiss' own way to keep them
    faiss.omp_set_num_threads(1)
    return index


@dataclass
class Taken:
    """Seconds of each of several calls, and their processor time, which other programs disturb less."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def call(self, function: Callable[[int], object], count: int) -> None:
        """Call a function of one thread `count` times in sequence."""
        for number in range(count):
            start, begin = time.perf_counter(), time.thread_time()
            function(number)
            self.wall.append(time.perf_counter() - start)
            self.processor.append(time.thread_time() - begin)


def line(name: str, taken: Taken) -> str:
    """Describe latencies."""
    cuts = statistics.quantiles(taken.wall, n=100)
    processor = f"   processor p50 {1e3 * statistics.median(taken.processor):.2f} ms" if taken.processor else ""
    return f"{name:44} p50 {1e3 * cuts[49]:7.2f} ms   p99 {1e3 * cuts[98]:7.2f} ms{processor}"


def over_http(home: Path, rows: int, seconds: float) -> Load:
    """Ask the API for similar patches from several clients at once."""
    videos = rows // PER_VIDEO
    asked = np.random.default_rng(4).integers(0, videos * PER_VIDEO, 5000).tolist()
    patches = [f"{row // PER_VIDEO:08x}{row % PER_VIDEO:08x}" for row in asked]
    requests = [get(f"/patches/{patch}/similar?model={MODEL}") for patch in patches]
    model = Model(MODEL, "transitive", "paper", 1, 4608, 1024, "g", "2026-01-01T00:00:00+00:00")
    with served_api(home, [model]) as api:
        load(api.port, api.process, requests, CLIENTS, 5.0)  # warm
        return load(api.port, api.process, requests, CLIENTS, seconds)


def build(home: Path, shards: Shards, draw: Callable[[np.random.Generator, int], Vectors], rows: int) -> None:
    """Write the shards and build the index, and print what the build took."""
    if len(shards.names(f"embeddings/{MODEL}")) < rows // PER_VIDEO:
        write_shards(shards, draw, rows)
    target = index_folder(load_settings({"TRANSITIVE_HOME": str(home)}), MODEL)
    steps: dict[str, float] = {}
    last = start = time.perf_counter()
    begin = time.process_time()

    def progress(stage: str, *_: object) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[stage], last = steps.get(stage, 0.0) + now - last, now

    manifest = update_index(shards, MODEL, target, progress)
    if manifest is None:
        sys.exit(f"{rows} vectors need no index. Name more: --rows.")
    took, processor = time.perf_counter() - start, time.process_time() - begin
    disk = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"build of {manifest.rows:,} × {manifest.dimension}: {took:.0f} s ({processor:.0f} of processor), ", end="")
    print(f"{disk / 2**20:,.0f} MiB on disk, ", end="")
    print(f"at most {memory:,.0f} MiB in memory; {manifest.lists} lists, {manifest.visited} visited, ", end="")
    print(f"{manifest.components} components, recall@10 {manifest.recall:.3f} when built", flush=True)
    print("of it, " + ", ".join(f"{STEPS[stage]} {seconds:.0f} s" for stage, seconds in steps.items()), flush=True)


def measure(
    home: Path, shards: Shards, draw: Callable[[np.random.Generator, int], Vectors], rows: int, seconds: float
) -> None:
    """Search, and print recall, latencies and rates."""
    target = index_folder(load_settings({"TRANSITIVE_HOME": str(home)}), MODEL)
    questions = draw(np.random.default_rng(3), QUESTIONS)
    index = VectorIndex.open(target)
    assert index is not None
    plan = index.plan(shards.versions(f"embeddings/{MODEL}"))
    truth = nearest(shards, questions)
    hits = sum(
        len(ten & {patch for patch, _, _ in index.search(question, 10, plan, Selection())})
        for question, ten in zip(questions, truth, strict=True)
    )
    print(f"recall@10 of {QUESTIONS} questions that are not in the index: {hits / (10 * QUESTIONS):.3f}", flush=True)
    plain = refined(target / index.manifest.segments[0], index.manifest)
    lists = faiss.downcast_InvertedLists(faiss.extract_index_ivf(plain.base_index).invlists)
    direct, unprefetched, ours = Taken(), Taken(), Taken()
    for _ in range(3):
        direct.call(lambda n: plain.search(questions[n : n + 1], 10), QUESTIONS)
        threads, lists.prefetch_nthread = lists.prefetch_nthread, 0
        unprefetched.call(lambda n: plain.search(questions[n : n + 1], 10), QUESTIONS)
        lists.prefetch_nthread = threads
        ours.call(lambda n: index.search(questions[n], 10, plan, Selection()), QUESTIONS)
    print(line("faiss directly (IndexRefine over float16)", direct))
    print(line("the same without its prefetching threads", unprefetched))
    print(line("ours", ours))
    for name, other in (("faiss directly", direct), ("faiss without prefetching threads", unprefetched)):
        ratio = statistics.median(ours.wall) / statistics.median(other.wall)
        processor = statistics.median(ours.processor) / statistics.median(other.processor)
        print(f"ours / {name}: {ratio:.2f}, by processor time {processor:.2f}", flush=True)
    found = over_http(home, rows, seconds)
    p50, p99 = 1e3 * found.percentile(50), 1e3 * found.percentile(99)
    print(f"{f'GET /patches/…/similar, {CLIENTS} clients':44} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   ", end="")
    print(f"together {found.rate:.0f}/s   server's processor time {1e3 * found.cost:.2f} ms")


def main() -> None:
    """Build, search, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--home", type=Path, help="A folder that stays; an index that it has is not built again.")
    parser.add_argument("--only", choices=["build"], help="Stop after the build.")
    arguments = parser.parse_args()
    draw = generator(arguments.width)
    with TemporaryDirectory() as folder:
        home: Path = arguments.home or Path(folder)
        shards = Shards(str(home / "data"))
        if not (home / "indexes").exists():
            build(home, shards, draw, arguments.rows)
        if arguments.only is None:
            measure(home, shards, draw, arguments.rows, arguments.seconds)


if __name__ == "__main__":
    main()
