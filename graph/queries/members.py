"""Queries for patch ids by cluster and by time, for the filters of a search."""

from graph.connection import Connection
from graph.generations.catalogue import require_generation

# (c)<-[:IN_PARENT]-(start)-[:INTRA_INSTANCE*0..1]->(p): the end of a track (A') has its start's parent
_OF_PARENT = """
MATCH (:ParentCluster {generation: $generation, id: $parent})<-[:IN_PARENT]-(:Patch)-[:INTRA_INSTANCE*0..1]->(p:Patch)
RETURN collect(DISTINCT p.id) AS ids
"""
# (v)-[:HAS_PATCH]->(p)
_BETWEEN = """
MATCH (:Video {id: $video})-[:HAS_PATCH]->(p:Patch) WHERE $start <= p.time_s <= $end
RETURN collect(p.id) AS ids
"""


def patches_of_parent(connection: Connection, parent: int) -> list[str]:
    """Return the patches of a parent cluster of the current generation, including the ends of tracks.

    Raises `NotFound` before the first linking.
    """
    generation = require_generation(connection, None).id
    rows = connection.read(_OF_PARENT, generation=generation, parent=parent)
    return list(rows[0]["ids"])


def patches_between(connection: Connection, video_id: str, start_s: float, end_s: float) -> list[str]:
    """Return the patches of a video between two times, both inclusive."""
    rows = connection.read(_BETWEEN, video=video_id, start=start_s, end=end_s)
    return list(rows[0]["ids"])
