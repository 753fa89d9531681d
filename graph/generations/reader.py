"""Queries that read a generation: members and children of a parent, and edges by bucket.

(p:Patch)-[:IN_PARENT]->(c:ParentCluster)      (p)-[:IN_CHILD]->(k:ChildCluster)      (p)-[e:INTER_INSTANCE]->(q:Patch)
"""

from collections.abc import Mapping

import numpy as np

from graph.connection import Connection
from graph.generations.catalogue import Generation
from graph.linking.children import Children
from graph.live import LIVE

# (p)-[:IN_PARENT]->(c)
_MEMBERS = """
MATCH (c:ParentCluster {generation: $generation, id: $parent})
RETURN c.size AS size, COLLECT { MATCH (c)<-[:IN_PARENT]-(p:Patch) RETURN p.id } AS ids
"""
# (c)<-[:IN_PARENT]-(p)-[:IN_CHILD]->(k)
_GROUPS = """
MATCH (k:ChildCluster)<-[:IN_CHILD]-(p:Patch)
WHERE k.generation = $generation AND k.parent = $parent
WITH k, collect(p.id) AS ids
RETURN collect(ids) AS groups
"""
# (c)<-[:IN_PARENT]-(a)-[e:INTER_INSTANCE]->(b)
_EDGES = """
MATCH (:ParentCluster {generation: $generation, id: $parent})<-[:IN_PARENT]-(a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation
RETURN collect(a.id) AS a, collect(b.id) AS b, collect(e.distance) AS distance
"""

# (a)-[e:INTER_INSTANCE]->(b), one bucket of the generation
_LINKS = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket = $bucket AND {LIVE}
RETURN a.id AS a, b.id AS b, e.distance AS distance, e.parent AS parent, e.held_out AS held_out ORDER BY a, b
"""

Edge = tuple[str, str, float, int, bool]  # ids of the two starts, distance, parent, held out


def links_of_bucket(connection: Connection, generation: str, bucket: int) -> list[tuple[str, str]]:
    """Return the inter-instance edges in one bucket of a generation as sorted pairs of track starts' ids."""
    return [(a, b) for a, b, *_ in edges_of_bucket(connection, generation, bucket)]


def edges_of_bucket(connection: Connection, generation: str, bucket: int) -> list[Edge]:
    """Return the inter-instance edges of one bucket of a generation, sorted by their ids."""
    rows = connection.read(_LINKS, generation=generation, bucket=bucket)
    return [(row["a"], row["b"], row["distance"], row["parent"], row["held_out"]) for row in rows]


def members_of(connection: Connection, generation: Generation, parent: int) -> tuple[int, list[str]]:
    """Return the number of members that a parent was written with, and the ids of those that still exist."""
    rows = connection.read(_MEMBERS, generation=generation.id, parent=parent)
    return (int(rows[0]["size"]), list(rows[0]["ids"])) if rows else (0, [])


def children_of_parent(
    connection: Connection, generation: Generation, parent: int, row_of: Mapping[str, int], group: int
) -> Children:
    """Return the children and edges of a parent by row number (`row_of`), in the order of `graph.linking`."""
    found = connection.read(_GROUPS, generation=generation.id, parent=parent)[0]["groups"]
    rows = sorted(sorted(row_of[patch] for patch in ids) for ids in found)
    edges = connection.read(_EDGES, generation=generation.id, parent=parent)[0]
    pairs = [(row_of[a], row_of[b]) for a, b in zip(edges["a"], edges["b"], strict=True)]
    return Children(
        np.array(rows, np.int32).reshape(-1, group),
        np.array(pairs, np.int32).reshape(-1, 2),
        np.array(edges["distance"], np.float64),
    )
