"""The neighbourhood of a patch, and the shortest path between two patches.

    (A)-[:INTRA_INSTANCE]->(A')                      the same object some frames later       section 4.3
    (A)-[:INTER_INSTANCE {generation}]-(B)           another object that looks alike         section 4.2

Inter-instance edges are those of the current generation that count (graph/live.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from graph.connection import Connection, Row
from graph.errors import InvalidInput, NotFound
from graph.generations.catalogue import current_generation
from graph.live import LIVE, live
from graph.records import Patch
from graph.rows import as_record
from graph.videos import get_patch

Kind = Literal["intra", "inter", "both"]

MAX_DEPTH = 6
MAX_PATCHES = 500  # as many as a page can draw; the nearest come first
MAX_STEPS = 30  # edges in a path

# (p)-[e:INTRA_INSTANCE]-(q)     both directions: from A to A', and back
_INTRA = """
UNWIND $ids AS id
MATCH (p:Patch {id: id})-[e:INTRA_INSTANCE]-(q:Patch)
RETURN q {.*} AS patch, startNode(e).id AS from_id, endNode(e).id AS to_id, 'intra' AS kind,
       e.track_length AS track_length, e.confidence AS confidence, null AS distance
ORDER BY e.confidence DESC, from_id, to_id LIMIT $limit
"""
# (a)-[e:INTER_INSTANCE]-(b)     stored once, read from either end
_INTER = f"""
UNWIND $ids AS id
MATCH (a:Patch {{id: id}})-[e:INTER_INSTANCE]-(b:Patch)
WHERE e.generation = $generation AND {LIVE}
RETURN b {{.*}} AS patch, startNode(e).id AS from_id, endNode(e).id AS to_id, 'inter' AS kind,
       null AS track_length, null AS confidence, e.distance AS distance
ORDER BY e.distance, from_id, to_id LIMIT $limit
"""
# (a)-[:INTRA_INSTANCE|INTER_INSTANCE*]-(b), the fewest edges; each patch with the parent cluster of its start
_PATH = f"""
MATCH (a:Patch {{id: $from_id}}), (b:Patch {{id: $to_id}})
MATCH path = shortestPath((a)-[:INTRA_INSTANCE|INTER_INSTANCE*..30]-(b))
WHERE all(e IN relationships(path) WHERE
          type(e) = 'INTRA_INSTANCE' OR (e.generation = $generation AND {live("startNode(e)", "endNode(e)")}))
RETURN
  [p IN nodes(path) | p {{.*, parent: head(
    [(p)<-[:INTRA_INSTANCE*0..1]-(:Patch)-[:IN_PARENT]->(c:ParentCluster) WHERE c.generation = $generation | c.id])}}
  ] AS patches,
  [e IN relationships(path) | {{kind: CASE type(e) WHEN 'INTRA_INSTANCE' THEN 'intra' ELSE 'inter' END,
    from_id: startNode(e).id, to_id: endNode(e).id,
    track_length: e.track_length, confidence: e.confidence, distance: e.distance}}] AS edges
"""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge between two patches; fields of the other kind are None."""

    kind: Literal["intra", "inter"]
    from_id: str  # intra: the start (A); inter: the smaller id
    to_id: str
    track_length: int | None = None  # intra: frames from A to A'
    confidence: float | None = None  # intra: 0..1
    distance: float | None = None  # inter: 1 - cosine of the features


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A patch and its distance in edges from the centre."""

    patch: Patch
    depth: int


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The patches around a centre, and every edge that was followed to reach them."""

    centre: Patch
    neighbours: tuple[Neighbour, ...]
    edges: tuple[Edge, ...]
    complete: bool  # False if there are more than `MAX_PATCHES`; then these are the nearest


@dataclass(frozen=True, slots=True)
class Path:
    """A shortest path between two patches: n patches, n - 1 edges, and the parent cluster of each patch."""

    patches: tuple[Patch, ...]
    edges: tuple[Edge, ...]
    parents: tuple[int | None, ...]


def neighbours(connection: Connection, patch_id: str, kind: Kind = "both", depth: int = 1) -> Neighbourhood:
    """Return the patches within `depth` edges of a patch, level by level, and at most `MAX_PATCHES` of them.

    Raises `NotFound` for an unknown patch, and `InvalidInput` for an invalid kind or depth.
    """
    if kind not in ("intra", "inter", "both"):
        raise InvalidInput(f"Unknown kind of neighbours {kind!r}. Use intra, inter or both.")
    if not 1 <= depth <= MAX_DEPTH:
        raise InvalidInput(f"The depth of a neighbourhood must be 1 to {MAX_DEPTH}, not {depth}.")
    centre = get_patch(connection, patch_id)
    generation = current_generation(connection)
    queries = [query for name, query in (("intra", _INTRA), ("inter", _INTER)) if kind in (name, "both")]
    levels = {patch_id: 0}
    found: list[Neighbour] = []
    edges: dict[tuple[str, str, str], Edge] = {}
    complete = True
    frontier = [patch_id]
    for level in range(1, depth + 1):
        limit = MAX_PATCHES * 4  # edges read for one level; several may lead to one patch
        rows = [row for q in queries for row in connection.read(q, ids=frontier, generation=generation, limit=limit)]
        complete = complete and len(rows) < limit
        frontier = []
        for row in rows:
            patch = as_record(Patch, row["patch"])
            if patch.id not in levels:
                if len(found) == MAX_PATCHES:
                    complete = False
                    continue
                levels[patch.id] = level
                found.append(Neighbour(patch, level))
                frontier.append(patch.id)
            edges[row["kind"], row["from_id"], row["to_id"]] = _edge(row)
        if not frontier:
            break
    return Neighbourhood(centre, tuple(found), tuple(edges.values()), complete)


def path(connection: Connection, from_id: str, to_id: str) -> Path:
    """Return a shortest path of at most `MAX_STEPS` edges between two patches; raises `NotFound` if there is none."""
    start, end = get_patch(connection, from_id), get_patch(connection, to_id)
    if start == end:
        return Path((start,), (), (None,))
    rows = connection.read(_PATH, from_id=from_id, to_id=to_id, generation=current_generation(connection))
    if not rows:
        raise NotFound(f"No path of at most {MAX_STEPS} edges connects patches {from_id} and {to_id}.")
    nodes = rows[0]["patches"]
    return Path(
        tuple(as_record(Patch, node) for node in nodes),
        _edges(rows[0]["edges"]),
        tuple(node["parent"] for node in nodes),
    )


def _edges(rows: Iterable[Row]) -> tuple[Edge, ...]:
    return tuple(_edge(row) for row in rows)


def _edge(row: Row) -> Edge:
    names = ("kind", "from_id", "to_id", "track_length", "confidence", "distance")
    return Edge(**{name: row[name] for name in names})
