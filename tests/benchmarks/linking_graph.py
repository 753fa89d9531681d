"""Benchmark of writing a generation and of streaming its quadruples against simple methods, on a separate server.

    python -m tests.benchmarks.linking_graph [--patches 20000] [--edges 60000] [--tracks 4]

Writing: grouped CREATE on two connections, against UNWIND + MERGE in batches of 5,000 on one connection.
Streaming, shuffled: lists bucket by bucket, against `for record in session.run(MATCH …)` row by row.
Both methods write alternately on a warm server. Goals: 2 × and 3 ×, and memory that does not grow with the stream.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import neo4j
import numpy as np

from graph.connection import Connection
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import Linking
from graph.linking.track_starts import TrackStarts
from graph.queries.quadruples import stream
from graph.records import IntraInstance, Patch, Video
from graph.videos import write_video
from tests.temporary_neo4j import temporary_neo4j

BATCH = 5000
WARM, TURNS = 3, 3  # writes of each method: warm-up writes, and writes whose median counts
PER_PARENT = 500
PER_VIDEO = 500

MERGE_PARENT = """
UNWIND $rows AS row MATCH (p:Patch {id: row.id})
MERGE (c:ParentCluster {generation: $g, id: row.parent}) MERGE (p)-[:IN_PARENT]->(c)
"""
MERGE_CHILD = """
UNWIND $rows AS row MATCH (p:Patch {id: row.id})
MERGE (c:ChildCluster {generation: $g, id: row.child}) MERGE (p)-[:IN_CHILD]->(c)
"""
MERGE_EDGE = """
UNWIND $rows AS row MATCH (a:Patch {id: row.a}) MATCH (b:Patch {id: row.b})
MERGE (a)-[e:INTER_INSTANCE {generation: $g}]->(b) SET e.distance = row.distance, e.bucket = row.bucket
"""
ROW_BY_ROW = """
MATCH (a2:Patch)<-[:INTRA_INSTANCE]-(a:Patch)-[e:INTER_INSTANCE]->(b:Patch)-[:INTRA_INSTANCE]->(b2:Patch)
WHERE e.generation = $g AND e.bucket >= 0
RETURN a.id AS a, a2.id AS a2, b.id AS b, b2.id AS b2, e.parent AS parent ORDER BY rand()
"""


def make_linking(patches: int, edges: int, seed: int) -> Linking:
    """Return random groups of four inside parents that give about this many edges."""
    generator = np.random.default_rng(seed)
    groups = edges // 6
    first = generator.integers(patches // PER_PARENT, size=groups) * PER_PARENT
    members = np.argsort(generator.random((groups, 40)), axis=1)[:, :4] * (PER_PARENT // 40)
    members = np.sort(first[:, None] + members + generator.integers(PER_PARENT // 40, size=(groups, 4)), axis=1)
    i, j = np.triu_indices(4, 1)
    codes = np.unique(members[:, i].astype(np.int64) * patches + members[:, j])
    pairs = np.stack([codes // patches, codes % patches], axis=1)
    videos = [f"video{row // PER_VIDEO:027d}" for row in range(patches)]
    nothing = np.zeros((patches, 5), np.int64)
    return Linking(
        TrackStarts([f"{row:016x}" for row in range(patches)], videos, videos, nothing[:, 0], nothing[:, 1:]),
        (np.arange(patches) // PER_PARENT).astype(np.int32),
        np.full(patches // PER_PARENT, PER_PARENT),
        None,
        np.zeros((patches // PER_PARENT, 1), np.float32),
        np.arange(patches // PER_PARENT, dtype=np.int32),
        members.astype(np.int32),
        pairs.astype(np.int32),
        generator.random(len(pairs)).astype(np.float32),
        replace(PAPER, seed=seed),
        {},
    )


def write_patches(connection: Connection, patches: int, tracks: int) -> None:
    for number in range(patches // PER_VIDEO):
        video = f"video{number:027d}"
        rows = range(number * PER_VIDEO, (number + 1) * PER_VIDEO)
        starts = [Patch(f"{row:016x}", video, 0, 0.0, 0, 0, 9, 9, "start") for row in rows]
        ends = [Patch(f"e{t}{row:014x}", video, 30, 1.0, 0, 0, 9, 9, "end") for row in rows for t in range(tracks)]
        edges = [IntraInstance(f"{row:016x}", f"e{t}{row:014x}", 30, 1.0) for row in rows for t in range(tracks)]
        write_video(connection, Video(video, video), starts + ends, edges)


def plain_write(connection: Connection, linking: Linking) -> None:
    """Write with UNWIND + MERGE in batches of 5,000 on one connection."""
    ids, g = linking.patch_ids, f"plain {linking.parameters.seed}"
    parents = [{"id": ids[row], "parent": parent} for row, parent in enumerate(linking.parents.tolist())]
    children = [{"id": ids[row], "child": n} for n, group in enumerate(linking.groups.tolist()) for row in group]
    edges = [
        {"a": ids[a], "b": ids[b], "distance": d, "bucket": 0}
        for (a, b), d in zip(linking.pairs.tolist(), linking.distances.tolist(), strict=True)
    ]
    for query, rows in ((MERGE_PARENT, parents), (MERGE_CHILD, children), (MERGE_EDGE, edges)):
        for start in range(0, len(rows), BATCH):
            connection.write(query, rows=rows[start : start + BATCH], g=g)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def read_ours(connection: Connection, generation: str) -> tuple[int, float]:
    """Return the number of rows and the growth of the peak memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(len(rows) for rows in stream(connection, generation, seed=1))
    return count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=60_000)
    parser.add_argument(
        "--tracks", type=int, default=4, help="tracks per patch; an edge has the square of this number of quadruples"
    )
    arguments = parser.parse_args()
    with temporary_neo4j() as details, details.connect() as connection:
        compare(connection, details.bolt_uri, details.password, arguments)


def compare(connection: Connection, uri: str, password: str, arguments: argparse.Namespace) -> None:
    write_patches(connection, arguments.patches, arguments.tracks)
    plain_times, our_times, made = [], [], []
    for turn in range(WARM + TURNS):  # in the first few, the server compiles its plans and Java its hot loops
        linking = make_linking(arguments.patches, arguments.edges, turn)
        total = arguments.patches + linking.groups.size + len(linking.pairs)
        plain_times.append(timed(lambda linking=linking: plain_write(connection, linking)))
        our_times.append(timed(lambda linking=linking: made.append(write_generation(connection, linking, "bench"))))
    plain, ours = (float(np.median(times[WARM:])) for times in (plain_times, our_times))
    print(f"writing {len(linking.pairs):,} inter-instance edges and {total - len(linking.pairs):,} memberships")
    print(f"  UNWIND + MERGE, one connection   {plain:7.2f} s   {total / plain:9,.0f} edges/s")
    print(f"  ours                             {ours:7.2f} s   {total / ours:9,.0f} edges/s   {plain / ours:.2f} ×")
    read_ours(connection, made[-1])
    start = time.perf_counter()
    count, grown = read_ours(connection, made[-1])
    ours = time.perf_counter() - start
    rows = 0
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", password)) as driver, driver.session() as session:
        start = time.perf_counter()
        for _record in session.run(ROW_BY_ROW, g=made[-1]):
            rows += 1
        plain = time.perf_counter() - start
    if count != rows:
        raise SystemExit(f"The streams differ: {count} and {rows} quadruples.")
    print(f"streaming {rows:,} quadruples, shuffled")
    print(f"  row by row                       {plain:7.2f} s   {rows / plain:9,.0f} quadruples/s")
    print(f"  ours                             {ours:7.2f} s   {rows / ours:9,.0f} quadruples/s   {plain / ours:.2f} ×")
    print(f"  peak memory grew by {grown:.0f} MiB while ours was read")


if __name__ == "__main__":
    main()
