"""The videos of the graph with their patches and tracks: write, read and delete.

(:Video {id, name, fps, width, height, frames, duration_s, status, reason, ingested_at, origin, tool})
(:Video)-[:HAS_PATCH]->(:Patch {id, video_id, video_name, url, frame, time_s, x, y, w, h, role})
(:Patch {role: "start"})-[:INTRA_INSTANCE {track_length, confidence, origin, …trust}]->(:Patch {role: "end"})
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import uuid4

from graph.connection import Connection, Row, Statement
from graph.errors import Conflict
from graph.generations.recount import recount_without_video
from graph.records import IntraInstance, Patch, Video
from graph.rows import as_record, get_record, list_records, not_found

ROWS = 5000  # rows bound to one statement
ROWS_AT_ONCE = 20_000  # rows written in one transaction: 50 MB of the server's heap, whatever the video's length
DELETED_AT_ONCE = 2000  # patches removed in one transaction; each takes its edges along

# The first SET locks (v) before its status is read, so the second of two concurrent writers sees the first one's
# status. A ready video is left unchanged. A failed, half-written or half-deleted video is written again.
_CLAIM = """
MERGE (v:Video {id: $id})
SET v.asked = $writer
REMOVE v.asked
WITH v WHERE coalesce(v.status, '') <> 'ready'
SET v = $properties
SET v.writer = $writer, v.status = 'failed', v.reason = 'It is being written. Ingest it again if this stays so.'
RETURN v.id AS id
"""
# (v)-[:HAS_PATCH]->(p), left by a run that was killed
_CLEAR = """
MATCH (v:Video {id: $id, writer: $writer})-[:HAS_PATCH]->(p:Patch)
DETACH DELETE p
"""
# (v)-[:HAS_PATCH]->(:Patch)
_CREATE_PATCHES = """
MATCH (v:Video {id: $id, writer: $writer})
UNWIND $rows AS row
CREATE (v)-[:HAS_PATCH]->(p:Patch)
SET p = row
"""
# (a)-[:INTRA_INSTANCE]->(b)      A → A'
_CREATE_TRACKS = """
MATCH (v:Video {id: $id, writer: $writer})
UNWIND $rows AS row
MATCH (a:Patch {id: row.start_id})
MATCH (b:Patch {id: row.end_id})
CREATE (a)-[e:INTRA_INSTANCE]->(b)
SET e = row.properties
"""
# removes `writer` and everything else that is not a property of a video
_FINISH = """
MATCH (v:Video {id: $id, writer: $writer})
SET v = $properties
RETURN v.id AS id
"""
_READY = """
MATCH (v:Video {id: $id, status: 'ready'})
RETURN v.id AS id
"""
_READY_IDS = """
MATCH (v:Video)
WHERE v.status = 'ready'
RETURN v.id AS id ORDER BY v.id
"""
# (v)-[:HAS_PATCH]->(:start)
_WITH_TRACKS = """
MATCH (v:Video {status: 'ready'})
WHERE EXISTS { (v)-[:HAS_PATCH]->(:Patch {role: 'start'}) }
RETURN v.id AS id ORDER BY id
"""
_COUNT_PATCHES = """
MATCH (p:Patch)
WHERE p.video_id IN $videos
RETURN count(p) AS count
"""
_VIDEO_OF_PATCH = """
UNWIND $ids AS id
MATCH (p:Patch {id: id})
RETURN p.id AS id, p.video_id AS video
"""
_NAMES = """
MATCH (v:Video) WHERE v.id IN $videos
RETURN v.id AS id, v.name AS name
"""
_REPORTS = """
UNWIND $ids AS id
MATCH (v:Video {id: id})
RETURN v.id AS id, v.report AS report ORDER BY v.id
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
# (v)-[:HAS_PATCH]->(p), with every edge of p, unless the video has become ready in the meantime
_DELETE_PATCHES = """
MATCH (v:Video {id: $id})-[:HAS_PATCH]->(p:Patch)
WHERE v.status <> 'ready'
WITH p LIMIT $limit
DETACH DELETE p
RETURN count(*) AS deleted
"""
_DELETE_VIDEO = """
MATCH (v:Video {id: $id})
DETACH DELETE v
"""


def write_video(
    connection: Connection,
    video: Video,
    patches: Sequence[Patch],
    tracks: Sequence[IntraInstance],
    pages: str = "",
) -> None:
    """Write a video with all its patches and tracks; a ready video is left unchanged.

    A patch's `url` is the address of its page below `pages` (`Settings.pages`), to which Neo4j Browser links; "": none.
    Up to `ROWS_AT_ONCE` patches and tracks are written in one transaction. A longer video takes several and counts as
    failed until the last one; the next call removes what a killed call left. Raises `Unavailable`, `StorageError`, and
    `Conflict` when another run writes the same long video.
    """
    if connection.read(_READY, id=video.id):
        return
    _delete_patches(connection, video.id)  # in small transactions, because a killed run may have left many
    me: dict[str, Any] = {"id": video.id, "writer": uuid4().hex}
    patch_rows = [_patch_row(patch, video, pages) for patch in patches]
    track_rows = [_track_row(track) for track in tracks]
    rest: list[Statement] = [(_CREATE_PATCHES, {**me, "rows": batch}) for batch in _batches(patch_rows)]
    rest += [(_CREATE_TRACKS, {**me, "rows": batch}) for batch in _batches(track_rows)]
    rest.append((_FINISH, {**me, "properties": asdict(video)}))
    at_once = ROWS_AT_ONCE // ROWS
    claim: Statement = (_CLAIM, {**me, "properties": asdict(video)})
    results = connection.write_many([claim, (_CLEAR, me), *rest[:at_once]])
    claimed = bool(results[0])  # False when another run has made the video ready since the read above
    for start in range(at_once, len(rest), at_once):
        results = connection.write_many(rest[start : start + at_once])
    if claimed and not results[-1]:
        raise Conflict(f"Another run is writing video {video.id}. Ingest the video again when that run is done.")


def get_video(connection: Connection, video_id: str) -> Video:
    """Read one video; raises `NotFound`."""
    return get_record(connection, Video, video_id)


def list_videos(connection: Connection, after: str = "", limit: int = 100) -> list[Video]:
    """Return up to `limit` videos in the order of their ids, starting after the id `after`."""
    return list_records(connection, Video, after, limit)


def ready_video_ids(connection: Connection) -> list[str]:
    """Return the sorted ids of all mined videos."""
    return [row["id"] for row in connection.read(_READY_IDS)]


def video_ids_with_tracks(connection: Connection) -> list[str]:
    """Return the sorted ids of the mined videos that have a track."""
    return [row["id"] for row in connection.read(_WITH_TRACKS)]


def count_patches(connection: Connection, video_ids: Sequence[str]) -> int:
    """Return the total number of patches of these videos."""
    return int(connection.read(_COUNT_PATCHES, videos=list(video_ids))[0]["count"])


def videos_of_patches(connection: Connection, patch_ids: Sequence[str]) -> dict[str, str]:
    """Map the id of each patch to the id of its video, without patches that do not exist."""
    return {row["id"]: row["video"] for row in connection.read(_VIDEO_OF_PATCH, ids=list(patch_ids))}


def video_names(connection: Connection, video_ids: Sequence[str]) -> dict[str, str]:
    """Map the id of each video to its file name."""
    return {row["id"]: row["name"] for row in connection.read(_NAMES, videos=list(video_ids))}


def notes_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """Map the id of each video that has notes (`Video.notes`) to these notes."""
    rows = connection.read(_REPORTS, ids=list(ids))
    found = {row["id"]: Video(id=row["id"], name="", report=row["report"] or "").notes for row in rows}
    return {video: notes for video, notes in found.items() if notes}


def get_patch(connection: Connection, patch_id: str) -> Patch:
    """Read one patch; raises `NotFound`."""
    return get_record(connection, Patch, patch_id)


def list_patches(connection: Connection, video_id: str, after: str = "", limit: int = 100) -> list[Patch]:
    """Return up to `limit` patches of a video in the order of their ids, starting after the id `after`."""
    rows = connection.read(_LIST_PATCHES, video_id=video_id, after=after, limit=limit)
    return [as_record(Patch, row["patch"]) for row in rows]


def list_tracks(connection: Connection, video_id: str) -> list[IntraInstance]:
    """Return all tracks of a video, ordered by the ids of their start and end patches."""
    return [_track(row) for row in connection.read(_TRACKS, video_id=video_id)]


def delete_video(connection: Connection, video_id: str) -> None:
    """Delete a video, its patches and all their edges; raises `NotFound`.

    A transaction deletes `DELETED_AT_ONCE` patches, so no video exceeds the server's memory. The video counts as failed
    from the first transaction on. If the call is killed, a second call or a new ingestion completes the deletion.
    """
    if not connection.write(_RETIRE, id=video_id):
        raise not_found(Video, video_id)
    _delete_patches(connection, video_id)
    recount_without_video(connection, video_id)
    connection.write(_DELETE_VIDEO, id=video_id)


def _delete_patches(connection: Connection, video_id: str) -> None:
    while connection.write(_DELETE_PATCHES, id=video_id, limit=DELETED_AT_ONCE)[0]["deleted"]:
        pass


def _patch_row(patch: Patch, video: Video, pages: str) -> Row:
    row = asdict(patch) | {"video_name": video.name}
    del row["no_object"]  # `graph.feedback` sets it; otherwise it is absent
    return row | {"url": f"{pages}/{patch.id}"} if pages else row


def _track_row(track: IntraInstance) -> Row:
    facts = {"track_length": track.track_length, "confidence": track.confidence, "origin": track.origin}
    properties = {**track.trust, **facts}
    return {"start_id": track.start_id, "end_id": track.end_id, "properties": properties}


def _track(row: Row) -> IntraInstance:
    properties: dict[str, Any] = dict(row["properties"])
    length, confidence = properties.pop("track_length"), properties.pop("confidence")
    origin = properties.pop("origin", "mined")  # tracks written before 2026-11-28 have none
    return IntraInstance(row["start_id"], row["end_id"], length, confidence, properties, origin)


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, ROWS)):
        yield batch
