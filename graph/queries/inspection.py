"""Queries for edges to be judged by a person, and for judged ones, each with one quadruple.

(a')<-[:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE {generation, distance, bucket}]->(b)-[:INTRA_INSTANCE]->(b')
"""

from dataclasses import dataclass

from graph.connection import Connection
from graph.generations.catalogue import require_generation
from graph.live import LIVE

_TRACKED = "EXISTS { (a)-[:INTRA_INSTANCE]->() } AND EXISTS { (b)-[:INTRA_INSTANCE]->() }"
# without pairs that were judged before, and without patches that show no object
_UNJUDGED = f"{LIVE} AND NOT EXISTS {{ (a)-[:REJECTED|ACCEPTED]->(b) }} AND {_TRACKED}"
_ROW = """
RETURN a.id AS a, b.id AS b, head([(a)-[:INTRA_INSTANCE]->(end) | end.id]) AS a_prime,
       head([(b)-[:INTRA_INSTANCE]->(end) | end.id]) AS b_prime, e.parent AS parent, e.distance AS distance
"""
_FARTHEST = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0 AND {_UNJUDGED}
WITH a, e, b ORDER BY e.distance DESC, a.id, b.id LIMIT $limit
{_ROW} ORDER BY distance DESC, a, b
"""
_OF_BUCKET = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket = $bucket AND {_UNJUDGED}
{_ROW} ORDER BY a, b
"""
# (a)-[j:REJECTED|ACCEPTED]->(b), the pairs that the current generation links
_JUDGED = f"""
MATCH (a:Patch)-[j:REJECTED|ACCEPTED]->(b:Patch)
MATCH (a)-[e:INTER_INSTANCE]->(b)
WHERE e.generation = $generation AND {_TRACKED}
WITH a, e, b, j ORDER BY j.at DESC, a.id, b.id LIMIT $limit
{_ROW}, toLower(type(j)) AS state ORDER BY j.at DESC, a, b
"""


@dataclass(frozen=True, slots=True)
class Inspected:
    """An edge with the ends of both tracks."""

    a: str
    b: str
    a_prime: str
    b_prime: str
    parent: int
    distance: float  # 1 - cosine of the features of linking
    state: str = "open"  # rejected or accepted, if a person judged it


def farthest_edges(connection: Connection, limit: int) -> list[Inspected]:
    """Return the `limit` unjudged edges with the largest distances; raises `NotFound` before the first linking."""
    known = require_generation(connection)
    return [Inspected(**row) for row in connection.read(_FARTHEST, generation=known.id, limit=limit)]


def edges_of_bucket(connection: Connection, bucket: int) -> list[Inspected]:
    """Return the unjudged edges in one bucket of the current generation, which is a random sample of its edges."""
    known = require_generation(connection)
    return [Inspected(**row) for row in connection.read(_OF_BUCKET, generation=known.id, bucket=bucket)]


def judged_edges(connection: Connection, limit: int) -> list[Inspected]:
    """Return the `limit` edges of the current generation that were judged last; raises `NotFound` without one."""
    known = require_generation(connection)
    return [Inspected(**row) for row in connection.read(_JUDGED, generation=known.id, limit=limit)]
