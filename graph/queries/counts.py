"""Counts of the graph's nodes and edges.

(:Video {status: "ready"})-[:HAS_PATCH]->(:Patch)     (A)-[:INTRA_INSTANCE]->(A')     (A)-[:INTER_INSTANCE]-(B)
"""

from graph.connection import Connection
from graph.generations.catalogue import current_generation
from graph.live import LIVE
from graph.records import GraphCounts

# Counts without a filter are read from the store's counters, so they take constant time. An index on two properties is
# used only if the query filters by both, hence `bucket >= 0` and `id >= 0`.
_COUNTS = f"""
CALL () {{ MATCH (v:Video) WHERE v.status = 'ready' RETURN count(v) AS videos, coalesce(sum(v.frames), 0) AS frames }}
CALL () {{ MATCH (p:Patch) RETURN count(p) AS patches }}
CALL () {{ MATCH (p:Patch) WHERE p.no_object RETURN count(p) AS no_object }}
CALL () {{ MATCH (:Patch)-[e:INTRA_INSTANCE]->(:Patch) RETURN count(e) AS tracks }}
CALL () {{
  MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch) WHERE e.generation = $generation AND e.bucket >= 0 AND {LIVE}
  RETURN count(e) AS inter_instance
}}
CALL () {{
  MATCH (a:Patch)-[:REJECTED]->(b:Patch)
  RETURN count(CASE WHEN EXISTS {{ (a)-[e:INTER_INSTANCE]->(b) WHERE e.generation = $generation }} THEN 1 END)
         AS rejected
}}
CALL () {{ MATCH (c:ParentCluster) WHERE c.generation = $generation AND c.id >= 0 RETURN count(c) AS parent_clusters }}
CALL () {{ MATCH (c:ChildCluster) WHERE c.generation = $generation AND c.id >= 0 RETURN count(c) AS child_clusters }}
RETURN videos, frames, patches, tracks, tracks AS intra_instance, inter_instance, parent_clusters, child_clusters,
       rejected, no_object
"""
_TRACKS = "MATCH (:Patch)-[e:INTRA_INSTANCE]->(:Patch) RETURN count(e) AS tracks"
# (A')<-[:INTRA_INSTANCE]-(A)-[:INTER_INSTANCE]-(B)-[:INTRA_INSTANCE]->(B'), each counted once: A–B is stored once
_QUADRUPLES = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch) WHERE e.generation = $generation AND e.bucket >= 0 AND {LIVE}
RETURN coalesce(sum(COUNT {{ (a)-[:INTRA_INSTANCE]->() }} * COUNT {{ (b)-[:INTRA_INSTANCE]->() }}), 0) AS quadruples
"""


def count_tracks(connection: Connection) -> int:
    """Count the tracks of all videos, from the store's own counter."""
    return int(connection.read(_TRACKS)[0]["tracks"])


def graph_counts(connection: Connection) -> GraphCounts:
    """Count nodes and edges; clusters, inter-instance edges and quadruples are those of the current generation."""
    generation = current_generation(connection)
    counts = connection.read(_COUNTS, generation=generation)[0]
    return GraphCounts(**counts, **connection.read(_QUADRUPLES, generation=generation)[0])
