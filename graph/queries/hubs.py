"""Query for hubs, the patches of a generation with the most inter-instance edges.

(p:Patch)-[e:INTER_INSTANCE {generation}]-(:Patch)
"""

from dataclasses import dataclass

from graph.connection import Connection
from graph.live import LIVE

_HUBS = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0 AND {LIVE}
UNWIND [a.id, b.id] AS id
RETURN id, count(*) AS edges ORDER BY edges DESC, id LIMIT $limit
"""


@dataclass(frozen=True, slots=True)
class Hub:
    """A patch and its number of edges in one generation."""

    id: str
    edges: int


def largest_hubs(connection: Connection, generation: str, limit: int = 12) -> list[Hub]:
    """Return the `limit` patches with the most edges, in descending order."""
    return [Hub(**row) for row in connection.read(_HUBS, generation=generation, limit=limit)]
