"""The batches of rows and Cypher statements that write a linking into the graph.

Edges are written with CREATE, because a new generation has none yet. A batch looks its patches up once and refers to
them by position. Edges of different parents share no patch, so several connections (lanes) write different parents at
the same time without waiting for each other's locks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.run import Linking

LANES = 2
ROWS = 5000  # edges per transaction
BUCKET_ROWS = 4096  # mean number of edges per bucket of the shuffled stream

# `before` is the last batch that the lane wrote. A retry after a lost answer finds its batch written and skips it.
_LANE = """
MATCH (l:WritingLane {generation: $generation, lane: $lane})
SET l.asked = $batch
WITH l, l.batch AS before
SET l.batch = $batch
WITH before
CALL {
    WITH before
    WITH before WHERE before < $batch
    UNWIND $ids AS id
    MATCH (p:Patch {id: id})
    WITH collect(p) AS patches WHERE size(patches) = size($ids)
"""
_LANE_END = """
    RETURN count(*) AS written
}
RETURN before, written
"""
# (p:Patch)-[:IN_PARENT]->(c)
_PARENT = (
    _LANE
    + """
    MERGE (c:ParentCluster {generation: $generation, id: $parent}) ON CREATE SET c.size = $size
    WITH c, patches UNWIND patches AS p
    CREATE (p)-[:IN_PARENT]->(c)
"""
    + _LANE_END
)
# (p:Patch)-[:IN_CHILD]->(c)
_CHILDREN = (
    _LANE
    + """
    UNWIND $rows AS row
    CREATE (c:ChildCluster {generation: $generation, id: row[0], parent: $parent})
    WITH c, patches, row UNWIND row[1] AS place
    WITH c, patches[place] AS p
    CREATE (p)-[:IN_CHILD]->(c)
"""
    + _LANE_END
)
# (a:Patch)-[:INTER_INSTANCE]->(b:Patch)
_EDGES = (
    _LANE
    + """
    UNWIND $rows AS row
    WITH patches[row[0]] AS a, patches[row[1]] AS b, row
    CREATE (a)-[:INTER_INSTANCE {generation: $generation, distance: row[2], parent: $parent, bucket: row[3],
                                 held_out: row[4]}]->(b)
"""
    + _LANE_END
)


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction of a lane; `query` has the parameters `generation`, `lane`, `batch` and the fields below."""

    query: str
    parent: int
    size: int  # of the parent
    ids: list[str]  # its patches
    rows: list[Any]  # refer to patches by position in `ids`
    expected: int  # number of edges that it creates


def bucket_of(a_id: str, b_id: str, buckets: int) -> int:
    """Return the bucket of an edge: a hash of its ends' ids, so a bucket is a random but deterministic sample."""
    return int.from_bytes(blake2b(f"{a_id}:{b_id}".encode(), digest_size=8).digest(), "big") % buckets


def bucket_count(edges: int) -> int:
    """Return the number of buckets for this number of edges."""
    return max(1, round(edges / BUCKET_ROWS))


def batches(linking: Linking, lane: int, held_out: set[str]) -> Iterator[Batch]:
    """Yield the batches of this lane's parents, parent by parent: members, then children, then edges."""
    ids = linking.patch_ids
    parents = len(linking.parent_sizes)
    members = _by_parent(linking.parents, parents)
    groups = _by_parent(linking.parents[linking.groups[:, 0]], parents)
    pairs = _by_parent(linking.parents[linking.pairs[:, 0]], parents)
    for parent in range(lane, parents, LANES):
        size = int(linking.parent_sizes[parent])
        for some in _slices(members[parent], ROWS):
            yield Batch(_PARENT, parent, size, [ids[row] for row in some.tolist()], [], len(some))
        for some in _slices(groups[parent], ROWS // linking.groups.shape[1]):
            used, places = np.unique(linking.groups[some], return_inverse=True)
            children = list(zip(some.tolist(), places.reshape(len(some), -1).tolist(), strict=True))
            yield Batch(_CHILDREN, parent, size, [ids[row] for row in used.tolist()], children, places.size)
        for some in _slices(pairs[parent], ROWS):
            used, places = np.unique(linking.pairs[some], return_inverse=True)
            edges = _edge_rows(linking, some, places.reshape(-1, 2), held_out)
            yield Batch(_EDGES, parent, size, [ids[row] for row in used.tolist()], edges, len(some))


def _edge_rows(
    linking: Linking, some: NDArray[np.int64], places: NDArray[np.int64], held_out: set[str]
) -> list[tuple[int, int, float, int, bool]]:
    """Return for each edge the positions of its ends, its distance, its bucket, and whether it is held out."""
    ids, videos = linking.patch_ids, linking.video_ids
    buckets = bucket_count(len(linking.pairs))
    return [
        (i, j, distance, bucket_of(ids[a], ids[b], buckets), videos[a] in held_out or videos[b] in held_out)
        for (i, j), (a, b), distance in zip(
            places.tolist(), linking.pairs[some].tolist(), linking.distances[some].tolist(), strict=True
        )
    ]


def _by_parent(labels: NDArray[np.int32], parents: int) -> list[NDArray[np.int64]]:
    """Return for each parent its positions in `labels`, ascending; -1 means no parent."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(parents + 1)))[1:-1]


def _slices(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
