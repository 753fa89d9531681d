"""Counting of a generation's edges and quadruples: at its switch, after feedback, and after a video's deletion.

(:Generation {edges, quadruples, edge_sizes, training_sizes, held_out_sizes}); the sizes have one number per bucket

Neo4j reads committed data only, so a count can miss a change that is being written. The transaction of a change and the
transaction of a switch therefore lock the generation's node before they count. The later one sees the other's result.
"""

from graph.connection import Connection, Statement
from graph.live import LIVE

# (a')<-[:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]->(b)-[:INTRA_INSTANCE]->(b'), one bucket
_COUNT_BUCKET = f"""
    MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
    WHERE e.generation = g.id AND e.bucket = bucket AND {LIVE}
    WITH e, COUNT {{ (a)-[:INTRA_INSTANCE]->() }} * COUNT {{ (b)-[:INTRA_INSTANCE]->() }} AS quadruples
    RETURN count(e) AS edges, sum(CASE WHEN e.held_out THEN 0 ELSE quadruples END) AS training,
           sum(CASE WHEN e.held_out THEN quadruples ELSE 0 END) AS held_out
"""
_TOTALS = """
SET g.edges = reduce(total = 0, size IN g.edge_sizes | total + size),
    g.quadruples = reduce(total = 0, size IN g.training_sizes + g.held_out_sizes | total + size)
"""
# The SET locks (g), and its state is read after that. A generation of an earlier version has no edge counts per bucket,
# so all its buckets are counted once. Needs rows of `generation` and `buckets`.
_RECOUNT = f"""
WITH generation, buckets ORDER BY generation
MATCH (g:Generation {{id: generation}})
SET g.counting = true
REMOVE g.counting
WITH g, buckets WHERE g.state = 'ready'
WITH g, CASE WHEN g.edge_sizes IS NULL THEN range(0, size(g.training_sizes) - 1) ELSE buckets END AS buckets
CALL (g, buckets) {{
  UNWIND buckets AS bucket
  CALL (g, bucket) {{{_COUNT_BUCKET}}}
  RETURN collect([edges, training, held_out]) AS counted
}}
WITH g, counted, [bucket IN range(0, size(g.training_sizes) - 1) |
                  head([i IN range(0, size(buckets) - 1) WHERE buckets[i] = bucket])] AS places
WITH g, counted, places, coalesce(g.edge_sizes, [bucket IN places | 0]) AS edges
SET g.edge_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][0], edges[i])],
    g.training_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][1], g.training_sizes[i])],
    g.held_out_sizes =
      [i IN range(0, size(places) - 1) | coalesce(counted[places[i]][2], g.held_out_sizes[i])]
{_TOTALS}
"""
RECOUNT_OF_PAIR = f"""
MATCH (:Patch {{id: $a}})-[e:INTER_INSTANCE]->(:Patch {{id: $b}})
WITH e.generation AS generation, collect(DISTINCT e.bucket) AS buckets
{_RECOUNT}
"""
RECOUNT_OF_PATCHES = f"""
UNWIND $ids AS id
MATCH (:Patch {{id: id}})-[e:INTER_INSTANCE]-(:Patch)
WITH e.generation AS generation, collect(DISTINCT e.bucket) AS buckets
{_RECOUNT}
"""
# all buckets of (g), which is locked; needs one row
_COUNT_ALL = f"""
CALL (g, buckets) {{
  UNWIND range(0, buckets - 1) AS bucket
  CALL (g, bucket) {{{_COUNT_BUCKET}}}
  WITH bucket, edges, training, held_out ORDER BY bucket
  RETURN collect(edges) AS edges, collect(training) AS training, collect(held_out) AS held_out
}}
SET g.edge_sizes = edges, g.training_sizes = training, g.held_out_sizes = held_out
{_TOTALS}
"""
# a generation that is being written may become ready while this waits for its node
_RECOUNT_WITH_VIDEO = f"""
MATCH (known:Generation) WHERE known.state = 'building' OR $video IN known.videos
WITH known.id AS generation ORDER BY generation
MATCH (g:Generation {{id: generation}})
SET g.counting = true
REMOVE g.counting
SET g.deleted = CASE
  WHEN $video IN coalesce(g.deleted, []) OR NOT $video IN coalesce(g.videos, []) THEN g.deleted
  ELSE coalesce(g.deleted, []) + $video END
WITH g WHERE g.state = 'ready'
WITH g, size(g.training_sizes) AS buckets
{_COUNT_ALL}
"""
_COUNT_NEW = f"""
MATCH (g:Generation {{id: $generation}})
SET g.counting = true
REMOVE g.counting
WITH g, $buckets AS buckets
{_COUNT_ALL}
"""


def count_statement(generation: str, buckets: int) -> Statement:
    """Return the statement that counts a new generation. It runs in the transaction of the switch, before it."""
    return _COUNT_NEW, {"generation": generation, "buckets": buckets}


def recount_without_video(connection: Connection, video_id: str) -> None:
    """Recount the generations that contain a video, after its patches were deleted, and note it as deleted in them."""
    connection.write(_RECOUNT_WITH_VIDEO, video=video_id)
