"""Queries for tracks with the parent cluster of their start, of one video or of the whole graph.

Tracks marked as no object are left out.

(:Video)-[:HAS_PATCH]->(a:Patch {role: "start"})-[:INTRA_INSTANCE]->(b:Patch)      (a)-[:IN_PARENT]->(:ParentCluster)
"""

from collections.abc import Iterator
from dataclasses import dataclass

from graph.connection import Connection

# (v)-[:HAS_PATCH]->(a:start)-[:INTRA_INSTANCE]->(b), (a)-[:IN_PARENT]->(c of this generation)
_OF_VIDEO = """
MATCH (:Video {id: $video})-[:HAS_PATCH]->(a:Patch {role: 'start'})
WHERE a.no_object IS NULL
OPTIONAL MATCH (a)-[:IN_PARENT]->(c:ParentCluster {generation: $generation})
RETURN a.id AS start, coalesce(c.id, -1) AS parent, [(a)-[:INTRA_INSTANCE]->(b) | b.id] AS ends
"""
# (a)-[:INTRA_INSTANCE]->(b), (a)-[:IN_PARENT]->(c of this generation)
_ALL = """
MATCH (a:Patch)-[:INTRA_INSTANCE]->(b:Patch)
WHERE a.no_object IS NULL
OPTIONAL MATCH (a)-[:IN_PARENT]->(c:ParentCluster {generation: $generation})
RETURN a.id AS start, b.id AS end, coalesce(c.id, -1) AS parent, a.video_id AS video
"""


@dataclass(frozen=True, slots=True)
class ParentedTrack:
    """A track start (A) with its ends (A') and its parent cluster."""

    start: str
    ends: tuple[str, ...]
    parent: int  # -1 if it has none
    video: str


def tracks_of_video(connection: Connection, video: str, generation: str) -> list[ParentedTrack]:
    """Return the tracks of a video; `parent` is that of `generation`."""
    rows = connection.read(_OF_VIDEO, video=video, generation=generation)
    return [ParentedTrack(row["start"], tuple(row["ends"]), row["parent"], video) for row in rows]


def all_tracks(connection: Connection, generation: str) -> Iterator[ParentedTrack]:
    """Yield the tracks of all videos; `parent` is that of `generation`."""
    for row in connection.stream(_ALL, generation=generation):
        yield ParentedTrack(row["start"], (row["end"],), row["parent"], row["video"])
