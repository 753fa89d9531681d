"""Recounting of a generation's edges and quadruples after feedback or the deletion of a video.

(:Generation {edges, quadruples, edge_sizes, training_sizes, held_out_sizes}); the sizes have one number per bucket

A bucket is counted in the transaction that changes it, with the generation's node locked. Two concurrent changes of one
bucket therefore cannot overwrite each other's count.
"""

from collections.abc import Iterable
from typing import Any

from graph.connection import Connection, Row, Statement

# The condition for a link (a)-[e:INTER_INSTANCE]->(b) to be used: it is not rejected, and both ends show objects.
LIVE = "e.rejected IS NULL AND a.no_object IS NULL AND b.no_object IS NULL"

_KNOWN = """
MATCH (g:Generation {state: 'ready'}) WHERE g.id IN $ids
RETURN g.id AS id, size(g.training_sizes) AS buckets, g.edge_sizes IS NOT NULL AS counted
"""
_ALL = """
MATCH (g:Generation {state: 'ready'}) WHERE $video IN g.videos
RETURN g.id AS generation, range(0, size(g.training_sizes) - 1) AS buckets
"""
# (a')<-[:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]->(b)-[:INTRA_INSTANCE]->(b')
_RECOUNT = f"""
MATCH (g:Generation {{id: $generation, state: 'ready'}})
SET g.counting = true
REMOVE g.counting
WITH g
CALL (g) {{
  UNWIND $buckets AS bucket
  CALL (g, bucket) {{
    MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
    WHERE e.generation = g.id AND e.bucket = bucket AND {LIVE}
    WITH e, COUNT {{ (a)-[:INTRA_INSTANCE]->() }} * COUNT {{ (b)-[:INTRA_INSTANCE]->() }} AS quadruples
    RETURN count(e) AS edges, sum(CASE WHEN e.held_out THEN 0 ELSE quadruples END) AS training,
           sum(CASE WHEN e.held_out THEN quadruples ELSE 0 END) AS held_out
  }}
  RETURN collect([edges, training, held_out]) AS counted
}}
WITH g, counted, [bucket IN range(0, size(g.training_sizes) - 1) |
                  head([i IN range(0, size($buckets) - 1) WHERE $buckets[i] = bucket])] AS places
WITH g, counted, places, coalesce(g.edge_sizes, [bucket IN places | 0]) AS edges
SET g.edge_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][0], edges[i])],
    g.training_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][1], g.training_sizes[i])],
    g.held_out_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][2], g.held_out_sizes[i])]
WITH g
SET g.edges = reduce(total = 0, size IN g.edge_sizes | total + size),
    g.quadruples = reduce(total = 0, size IN g.training_sizes + g.held_out_sizes | total + size)
"""


def recount_statements(connection: Connection, touched: Iterable[Row]) -> list[Statement]:
    """Return the statements that recount the changed buckets; a row of `touched` has `generation` and `buckets`.

    They must run in the transaction of the change. An unfinished generation counts its edges at its end.
    """
    asked: dict[str, list[int]] = {row["generation"]: row["buckets"] for row in touched}
    statements: list[Statement] = []
    for known in connection.read(_KNOWN, ids=list(asked)):
        # a generation of an earlier version has no edge counts per bucket, so all buckets are counted once
        buckets = sorted(asked[known["id"]]) if known["counted"] else list(range(known["buckets"]))
        parameters: dict[str, Any] = {"generation": known["id"], "buckets": buckets}
        statements.append((_RECOUNT, parameters))
    return statements


def recount_without_video(connection: Connection, video_id: str) -> None:
    """Recount the generations that contain a video, after its patches were deleted."""
    for statement, parameters in recount_statements(connection, connection.read(_ALL, video=video_id)):
        connection.write(statement, **parameters)
