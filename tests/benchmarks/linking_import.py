"""Benchmark of loading a graph into an empty Neo4j: `neo4j-admin database import` against our own Bolt writing.

    python -m tests.benchmarks.linking_import [--patches 500000] [--edges 3300000] [--tracks 2]

Bolt: `write_video` and `write_generation`, as in ingesting and linking. Import: from the export's tables to a running
server with populated indexes. Both graphs must have the same counts. Java takes seconds before it reads the first row,
and as long again to warm up, so the ratio grows with the graph (`--patches 60000 --edges 400000`: 4 ×). The ratio
without this start is printed as well. Goal: 10 ×. It takes six minutes and 4 GB of temporary disk space.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from graph.archive import bolt
from graph.archive.export import export_graph
from graph.archive.tables import Tables
from graph.generations.writer import write_generation
from graph.queries.counts import graph_counts
from graph.records import no_progress
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jServer
from graph.settings import load_settings
from tests.benchmarks.linking_graph import make_linking, write_patches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=500_000)
    parser.add_argument("--edges", type=int, default=3_300_000)
    parser.add_argument("--tracks", type=int, default=2)
    arguments = parser.parse_args()
    cache = load_settings({}).cache
    with TemporaryDirectory() as folder:
        tables = Path(folder) / "graph"
        tables.mkdir()
        first = Neo4jServer(Path(folder) / "first", cache, bolt_port=0, http_port=0)
        try:
            with first.start().connect() as connection:
                apply_schema(connection)
                linking = make_linking(arguments.patches, arguments.edges, 1)
                start = time.perf_counter()
                write_patches(connection, arguments.patches, arguments.tracks)
                write_generation(connection, linking, "bench")
                ours = time.perf_counter() - start
                start = time.perf_counter()
                counts = export_graph(connection, tables, no_progress)
                exported = time.perf_counter() - start
                expected = graph_counts(connection)
        finally:
            first.stop()
        second = Neo4jServer(Path(folder) / "second", cache, bolt_port=0, http_port=0)
        one = Path(folder) / "one"
        one.mkdir()
        with Tables(one) as rows:
            rows.node("Video", {"id": "v"})
        second.load(one)  # sets the password, warms the disk
        os.sync()  # flush the writes of the first server and of the export, so that the import does not wait for them
        start = time.perf_counter()
        second.load(one)
        fixed = time.perf_counter() - start
        start = time.perf_counter()
        second.load(tables)
        loaded = time.perf_counter() - start
        try:
            with second.start().connect() as connection:
                apply_schema(connection)
                bolt.write_rest(connection, tables)
                whole = time.perf_counter() - start
                if graph_counts(connection) != expected:
                    raise SystemExit("The imported graph is another one.")
        finally:
            second.stop()
    total = sum(counts.values())
    print(f"{total:,} nodes and relationships, the same in both")
    print(f"  our Bolt writing                          {ours:7.1f} s   {total / ours:10,.0f}/s")
    print(f"  export                                    {exported:7.1f} s   {total / exported:10,.0f}/s")
    print(
        f"  neo4j-admin database import               {loaded:7.1f} s   {total / loaded:10,.0f}/s   "
        f"{ours / loaded:.1f} ×"
    )
    beyond = loaded - fixed
    print(
        f"  the same beyond its start of {fixed:4.1f} s          {beyond:7.1f} s   {total / beyond:10,.0f}/s   "
        f"{ours / beyond:.1f} ×"
    )
    print(
        f"  the same, server started, indexes filled  {whole:7.1f} s   {total / whole:10,.0f}/s   {ours / whole:.1f} ×"
    )


if __name__ == "__main__":
    main()
