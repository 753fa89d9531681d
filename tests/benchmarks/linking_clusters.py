"""Benchmark of a page of parent clusters in a graph of many generations, against a walk over the memberships.

    python -m tests.benchmarks.linking_clusters [--patches 2000] [--generations 20] [--parents 20]

The walk is the query of before 2026-11-28: from a parent over its members to all their children, of every generation.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from graph.connection import Connection
from graph.queries import clusters
from tests.temporary_neo4j import temporary_neo4j

_WALK = """
MATCH (c:ParentCluster)
WHERE c.generation = $generation AND c.id > -1
WITH c ORDER BY c.id LIMIT 100
RETURN c.id AS id, COUNT {
  MATCH (c)<-[:IN_PARENT]-(:Patch)-[:IN_CHILD]->(k:ChildCluster) WHERE k.generation = $generation RETURN DISTINCT k
} AS children ORDER BY id
"""
_PATCHES = "UNWIND range(0, $count - 1) AS row CREATE (:Patch {id: toString(row), row: row, role: 'start'})"
_PARENTS = """
MATCH (p:Patch) WITH p, p.row % $parents AS parent
MERGE (c:ParentCluster {generation: $generation, id: parent})
CREATE (p)-[:IN_PARENT]->(c)
"""
# 12 children for each patch, of two patches of one parent
_CHILDREN = """
MATCH (p:Patch) UNWIND range(1, 6) AS step
MATCH (q:Patch {id: toString((p.row + step * $parents) % $count)})
CREATE (k:ChildCluster {generation: $generation, id: p.row * 6 + step, parent: p.row % $parents})
CREATE (p)-[:IN_CHILD]->(k), (q)-[:IN_CHILD]->(k)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=2000)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--parents", type=int, default=20)
    asked = parser.parse_args()
    with temporary_neo4j() as details, details.connect() as connection:
        connection.write(_PATCHES, count=asked.patches)
        for number in range(asked.generations):
            for query in (_PARENTS, _CHILDREN):
                connection.write(query, generation=f"g{number}", parents=asked.parents, count=asked.patches)
            connection.write("MERGE (g:Generation {id: $id}) SET g.state = 'ready'", id=f"g{number}")
            if number in (0, asked.generations - 1):
                _compare(connection, number)


def _compare(connection: Connection, number: int) -> None:
    generation = f"g{number}"

    def by_index() -> dict[int, int]:
        rows = connection.read(clusters._PARENTS, generation=generation, after=-1, limit=100, examples=8)
        return {row["id"]: row["children"] for row in rows}

    def by_walk() -> dict[int, int]:
        return {row["id"]: row["children"] for row in connection.read(_WALK, generation=generation)}

    if by_index() != by_walk():
        raise SystemExit("The two queries count different children.")
    ours, walk = _median(by_index), _median(by_walk)
    print(f"{number + 1:>3} generations: index {ours:8.1f} ms   walk {walk:8.1f} ms   {walk / ours:6.1f} ×")


def _median(read: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        read()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


if __name__ == "__main__":
    main()
