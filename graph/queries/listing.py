"""Filtered and sorted lists of videos and patches, page by page.

(:Video)-[:HAS_PATCH]->(p:Patch)      (p)<-[:INTRA_INSTANCE]-(start)-[:IN_PARENT]->(:ParentCluster)

A page continues after a key that holds the sorted value and the id of the last item, so an item that is deleted or
changed between two pages neither ends the list nor repeats another one.
"""

from dataclasses import dataclass
from typing import Any, Literal

from graph.connection import Connection
from graph.generations.catalogue import require_generation
from graph.records import Patch, Role, Video
from graph.rows import as_record

VideoSort = Literal["id", "name", "date", "patches"]

# what a list is sorted by, and whether larger values come first
_KEYS: dict[VideoSort, tuple[str, bool]] = {
    "id": ("''", False),
    "name": ("v.name", False),
    "date": ("coalesce(v.ingested_at, '')", True),
    "patches": ("patches", True),
}
# (v)-[:HAS_PATCH]->()
_VIDEOS = """
MATCH (v:Video)
WHERE ($status IS NULL OR v.status = $status) AND ($name IS NULL OR toLower(v.name) CONTAINS toLower($name))
WITH v, COUNT {{ (v)-[:HAS_PATCH]->() }} AS patches
WITH v, patches, {key} AS key
WHERE $after = '' OR key {beyond} $value OR (key = $value AND v.id > $after)
RETURN v {{.*}} AS video, patches, key ORDER BY key {order}, v.id LIMIT $limit
"""
_PATCHES_OF = {
    "all": "MATCH (p:Patch) WHERE p.id > $after",
    "video": "MATCH (p:Patch) WHERE p.video_id = $video AND p.id > $after",
    # (c)<-[:IN_PARENT]-(start)-[:INTRA_INSTANCE*0..1]->(p): an end (A') is in the parent of its start
    "parent": """
MATCH (:ParentCluster {generation: $generation, id: $parent})<-[:IN_PARENT]-(:Patch)-[:INTRA_INSTANCE*0..1]->(p:Patch)
WHERE p.id > $after AND ($video IS NULL OR p.video_id = $video)""",
}
# (p)-[:INTRA_INSTANCE]-()
_PATCHES = """
{of}
  AND ($role IS NULL OR p.role = $role)
  AND ($no_object IS NULL OR coalesce(p.no_object, false) = $no_object)
  AND ($confidence IS NULL OR EXISTS {{ (p)-[e:INTRA_INSTANCE]-() WHERE e.confidence >= $confidence }})
WITH DISTINCT p ORDER BY p.id LIMIT $limit
RETURN p {{.*}} AS patch ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Which videos to list; None sets no condition."""

    status: Literal["ready", "failed"] | None = None
    name: str | None = None  # a part of the file's name, in capitals or not


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video, how many patches it has, and the value that it is sorted by."""

    video: Video
    patches: int
    key: str | int


@dataclass(frozen=True, slots=True)
class PatchFilter:
    """Which patches to list; None sets no condition."""

    video: str | None = None
    role: Role | None = None
    parent: int | None = None  # parent cluster of the patch or of its track's start
    confidence: float | None = None  # least confidence of a track of the patch, 0..1
    no_object: bool | None = None  # True: only those that people marked as no object; False: without them


def list_videos(
    connection: Connection,
    conditions: VideoFilter | None = None,
    sort: VideoSort = "id",
    after: tuple[str | int, str] = ("", ""),
    limit: int = 100,
) -> list[ListedVideo]:
    """Return the next `limit` videos; names and ids ascend, dates and numbers of patches descend.

    `after` is the key and the id of the last video of the page before.
    """
    wanted = conditions or VideoFilter()
    key, descending = _KEYS[sort]
    query = _VIDEOS.format(key=key, beyond="<" if descending else ">", order="DESC" if descending else "")
    rows = connection.read(query, status=wanted.status, name=wanted.name, value=after[0], after=after[1], limit=limit)
    return [ListedVideo(as_record(Video, row["video"]), row["patches"], row["key"]) for row in rows]


def list_patches(
    connection: Connection,
    conditions: PatchFilter,
    generation: str | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Patch]:
    """Return the `limit` patches whose ids follow `after`, in the order of their ids.

    `generation` is that of the parent cluster, the current one if None; raises `NotFound` without such a generation.
    """
    of = "parent" if conditions.parent is not None else "video" if conditions.video is not None else "all"
    parameters: dict[str, Any] = {
        "generation": require_generation(connection, generation).id if of == "parent" else None,
        "parent": conditions.parent,
        "video": conditions.video,
        "role": conditions.role,
        "confidence": conditions.confidence,
        "no_object": conditions.no_object,
    }
    rows = connection.read(_PATCHES.format(of=_PATCHES_OF[of]), after=after, limit=limit, **parameters)
    return [as_record(Patch, row["patch"]) for row in rows]
