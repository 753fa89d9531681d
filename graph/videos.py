"""Videos with their patches and tracks go into the graph as one step, and come out page by page.

(:Video {id, name, fps, width, height, frames, duration_s, status, reason, ingested_at})
(:Video)-[:HAS_PATCH]->(:Patch {id, video_id, frame, time_s, x, y, w, h, role})
(:Patch {role: "start"})-[:INTRA_INSTANCE {track_length, confidence, …trust}]->(:Patch {role: "end"})
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from graph.connection import Connection, Row, Statement
from graph.errors import NotFound
from graph.records import IntraInstance, Patch, Video
from graph.rows import as_record

ROWS = 5000  # rows bound to one statement
DELETED_AT_ONCE = 2000  # patches removed in one transaction; each takes its edges along

# (v) is locked by the SET before its status is read, so that of two writers of one video the second sees the first's.
# A video that is ready stays as it is; one that failed, or was half deleted, is written anew.
_CLAIM = """
MERGE (v:Video {id: $id})
SET v.locked = true
WITH v WHERE coalesce(v.status, '') <> 'ready'
SET v.status = 'writing'
"""
# (v:writing)-[:HAS_PATCH]->(p)   what a deletion that was killed may have left
_CLEAR = """
MATCH (v:Video {id: $id, status: 'writing'})-[:HAS_PATCH]->(p:Patch)
DETACH DELETE p
"""
# (v:writing)-[:HAS_PATCH]->(:Patch)
_CREATE_PATCHES = """
MATCH (v:Video {id: $id, status: 'writing'})
UNWIND $rows AS row
CREATE (v)-[:HAS_PATCH]->(p:Patch)
SET p = row
"""
# (a)-[:INTRA_INSTANCE]->(b)      A → A'
_CREATE_TRACKS = """
MATCH (v:Video {id: $id, status: 'writing'})
UNWIND $rows AS row
MATCH (a:Patch {id: row.start_id})
MATCH (b:Patch {id: row.end_id})
CREATE (a)-[e:INTRA_INSTANCE]->(b)
SET e = row.properties
"""
_FINISH = """
MATCH (v:Video {id: $id, status: 'writing'})
SET v = $properties
"""
_UNLOCK = """
MATCH (v:Video {id: $id})
REMOVE v.locked
"""
_GET_VIDEO = """
MATCH (v:Video {id: $id})
RETURN v {.*} AS video
"""
_LIST_VIDEOS = """
MATCH (v:Video)
WHERE v.id > $after
RETURN v {.*} AS video ORDER BY v.id LIMIT $limit
"""
_READY_IDS = """
MATCH (v:Video)
WHERE v.status = 'ready'
RETURN v.id AS id ORDER BY v.id
"""
_GET_PATCH = """
MATCH (p:Patch {id: $id})
RETURN p {.*} AS patch
"""
_LIST_PATCHES = """
MATCH (p:Patch)
WHERE p.video_id = $video_id AND p.id > $after
RETURN p {.*} AS patch ORDER BY p.video_id, p.id LIMIT $limit
"""
# (start)-[:INTRA_INSTANCE]->(end), start in the video
_TRACKS = """
MATCH (:Video {id: $video_id})-[:HAS_PATCH]->(a:Patch)-[e:INTRA_INSTANCE]->(b:Patch)
RETURN a.id AS start_id, b.id AS end_id, e {.*} AS properties ORDER BY start_id, end_id
"""
_RETIRE = """
MATCH (v:Video {id: $id})
SET v.status = 'failed', v.reason = 'It is being deleted. Delete it again to finish that.'
RETURN v.id AS id
"""
# (v)-[:HAS_PATCH]->(p), with every edge of p
_DELETE_PATCHES = """
MATCH (:Video {id: $id})-[:HAS_PATCH]->(p:Patch)
WITH p LIMIT $limit
DETACH DELETE p
RETURN count(*) AS deleted
"""
_DELETE_VIDEO = """
MATCH (v:Video {id: $id})
DETACH DELETE v
"""


def write_video(
    connection: Connection, video: Video, patches: Sequence[Patch], tracks: Sequence[IntraInstance]
) -> None:
    """Write a video with all its patches and tracks in one transaction; a video that is ready already stays as it is.

    Raises `Unavailable` or `StorageError`; then nothing of the video is in the graph.
    """
    patch_rows = [asdict(patch) for patch in patches]
    track_rows = [_track_row(track) for track in tracks]
    properties = asdict(video)
    statements: list[Statement] = [(_CLAIM, {"id": video.id}), (_CLEAR, {"id": video.id})]
    statements += [(_CREATE_PATCHES, {"id": video.id, "rows": rows}) for rows in _batches(patch_rows)]
    statements += [(_CREATE_TRACKS, {"id": video.id, "rows": rows}) for rows in _batches(track_rows)]
    statements += [(_FINISH, {"id": video.id, "properties": properties}), (_UNLOCK, {"id": video.id})]
    connection.write_many(statements)


def get_video(connection: Connection, video_id: str) -> Video:
    """Read one video; raises `NotFound`."""
    rows = connection.read(_GET_VIDEO, id=video_id)
    if not rows:
        raise NotFound(f"There is no video {video_id}. `GET /videos` lists those there are.")
    return as_record(Video, rows[0]["video"])


def list_videos(connection: Connection, after: str = "", limit: int = 100) -> list[Video]:
    """Read the `limit` videos whose ids follow `after`, in the order of their ids."""
    return [as_record(Video, row["video"]) for row in connection.read(_LIST_VIDEOS, after=after, limit=limit)]


def ready_video_ids(connection: Connection) -> list[str]:
    """Return the ids of all videos that were mined, sorted."""
    return [row["id"] for row in connection.read(_READY_IDS)]


def get_patch(connection: Connection, patch_id: str) -> Patch:
    """Read one patch; raises `NotFound`."""
    rows = connection.read(_GET_PATCH, id=patch_id)
    if not rows:
        raise NotFound(f"There is no patch {patch_id}. `GET /videos/<id>/patches` lists those of a video.")
    return as_record(Patch, rows[0]["patch"])


def list_patches(connection: Connection, video_id: str, after: str = "", limit: int = 100) -> list[Patch]:
    """Read the `limit` patches of a video whose ids follow `after`, in the order of their ids."""
    rows = connection.read(_LIST_PATCHES, video_id=video_id, after=after, limit=limit)
    return [as_record(Patch, row["patch"]) for row in rows]


def list_tracks(connection: Connection, video_id: str) -> list[IntraInstance]:
    """Read all tracks of a video, ordered by the ids of their ends."""
    return [_track(row) for row in connection.read(_TRACKS, video_id=video_id)]


def delete_video(connection: Connection, video_id: str) -> None:
    """Remove a video, its patches and every edge of them; raises `NotFound`.

    Patches go `DELETED_AT_ONCE` to a transaction, so that no video is too large for the server's memory. From the first
    step on the video counts as failed; killed in the middle, a second call (or ingesting it again) completes the work.
    """
    if not connection.write(_RETIRE, id=video_id):
        raise NotFound(f"There is no video {video_id}. `GET /videos` lists those there are.")
    while connection.write(_DELETE_PATCHES, id=video_id, limit=DELETED_AT_ONCE)[0]["deleted"]:
        pass
    connection.write(_DELETE_VIDEO, id=video_id)


def _track_row(track: IntraInstance) -> Row:
    properties = {**track.trust, "track_length": track.track_length, "confidence": track.confidence}
    return {"start_id": track.start_id, "end_id": track.end_id, "properties": properties}


def _track(row: Row) -> IntraInstance:
    properties: dict[str, Any] = dict(row["properties"])
    length, confidence = properties.pop("track_length"), properties.pop("confidence")
    return IntraInstance(row["start_id"], row["end_id"], length, confidence, properties)


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, ROWS)):
        yield batch
