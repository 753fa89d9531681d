"""Queries for parent clusters, their members and their child clusters (section 4.2).

(:Patch)-[:IN_PARENT]->(:ParentCluster {generation, id, size})
(:Patch)-[:IN_CHILD]->(:ChildCluster {generation, id, parent})

Children are found by the index on (generation, parent). A patch is also in children of every older generation, so a
walk over its IN_CHILD edges would take longer with each linking.
"""

from dataclasses import dataclass

from graph.connection import Connection
from graph.errors import NotFound
from graph.generations.catalogue import current_generation, require_generation
from graph.records import Patch
from graph.rows import as_record

EXAMPLES = 8  # example patches per cluster

# (c)<-[:IN_PARENT]-(p)    k.parent = c.id
_PARENTS = """
MATCH (c:ParentCluster)
WHERE c.generation = $generation AND c.id > $after AND c.size >= $smallest
WITH c ORDER BY c.id LIMIT $limit
"""
# largest first; a cluster of a finished generation never changes, so the id of the page's last one gives its size
_LARGEST = """
OPTIONAL MATCH (last:ParentCluster {generation: $generation, id: $after})
MATCH (c:ParentCluster)
WHERE c.generation = $generation AND c.id >= 0 AND c.size >= $smallest
  AND (last IS NULL OR c.size < last.size OR (c.size = last.size AND c.id > last.id))
WITH c ORDER BY c.size DESC, c.id LIMIT $limit
"""
_DESCRIBE = """
RETURN c.id AS id, c.generation AS generation, c.size AS size,
       COUNT {
         MATCH (k:ChildCluster)
         WHERE k.generation = $generation AND k.parent = c.id AND EXISTS { (k)<-[:IN_CHILD]-() }
       } AS children,
       COLLECT { MATCH (c)<-[:IN_PARENT]-(p:Patch) RETURN p.id ORDER BY p.id LIMIT $examples } AS examples
"""
_MEMBERS = """
MATCH (:ParentCluster {generation: $generation, id: $parent})<-[:IN_PARENT]-(p:Patch)
WHERE p.id > $after
RETURN p {.*} AS patch ORDER BY p.id LIMIT $limit
"""
# (p)-[:IN_CHILD]->(k)
_CHILDREN = """
MATCH (k:ChildCluster)
WHERE k.generation = $generation AND k.parent = $parent AND EXISTS { (k)<-[:IN_CHILD]-() }
WITH k ORDER BY k.id LIMIT $limit
RETURN k.id AS child, COLLECT { MATCH (k)<-[:IN_CHILD]-(p:Patch) RETURN p.id ORDER BY p.id } AS patches ORDER BY child
"""
# (p)<-[:INTRA_INSTANCE*0..1]-(start)-[:IN_PARENT]->(c): the end of a track (A') has the parent of its start
_PARENT_OF = """
MATCH (p:Patch {id: $patch})<-[:INTRA_INSTANCE*0..1]-(:Patch)-[:IN_PARENT]->(c:ParentCluster)
WHERE c.generation = $generation
RETURN c.id AS id ORDER BY id LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent cluster (stage 1): track starts that look roughly alike."""

    id: int
    generation: str
    size: int  # number of track starts
    children: int  # number of child clusters
    examples: list[str]  # ids of up to `EXAMPLES` members


def list_parents(
    connection: Connection,
    generation: str | None = None,
    after: int = -1,
    limit: int = 100,
    *,
    smallest: int = 0,
    largest_first: bool = False,
) -> list[Parent]:
    """Return up to `limit` parent clusters of at least `smallest` starts, starting after the cluster `after`.

    They are in the order of their ids, or (`largest_first`) of their sizes. Raises `NotFound` if the generation does
    not exist.
    """
    known = require_generation(connection, generation)
    query, order = (_LARGEST, "ORDER BY size DESC, id") if largest_first else (_PARENTS, "ORDER BY id")
    asked = {"generation": known.id, "after": after, "limit": limit, "smallest": smallest, "examples": EXAMPLES}
    return [Parent(**row) for row in connection.read(query + _DESCRIBE + order, **asked)]


def get_parent(connection: Connection, parent: int, generation: str | None = None) -> Parent:
    """Read one parent cluster; raises `NotFound`."""
    found = list_parents(connection, generation, parent - 1, 1)
    if not found or found[0].id != parent:
        raise NotFound(f"There is no parent cluster {parent} in this generation. List the clusters to see their ids.")
    return found[0]


def list_members(connection: Connection, parent: Parent, after: str = "", limit: int = 100) -> list[Patch]:
    """Return up to `limit` members of a parent cluster in the order of their ids, starting after the id `after`."""
    rows = connection.read(_MEMBERS, generation=parent.generation, parent=parent.id, after=after, limit=limit)
    return [as_record(Patch, row["patch"]) for row in rows]


def list_children(connection: Connection, parent: Parent, limit: int = 100) -> list[list[str]]:
    """Return the patch ids of each of the first `limit` child clusters (stage 2) of a parent."""
    rows = connection.read(_CHILDREN, generation=parent.generation, parent=parent.id, limit=limit)
    return [row["patches"] for row in rows]


def parent_of(connection: Connection, patch_id: str) -> int | None:
    """Return the parent cluster of a patch or of its track's start in the current generation; None if it has none."""
    generation = current_generation(connection)
    rows = connection.read(_PARENT_OF, patch=patch_id, generation=generation) if generation else []
    return int(rows[0]["id"]) if rows else None
