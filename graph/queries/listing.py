"""Queries for filtered and sorted lists of videos and patches, paged by key.

(:Video)-[:HAS_PATCH]->(p:Patch)      (p)<-[:INTRA_INSTANCE]-(start)-[:IN_PARENT]->(:ParentCluster)

A page starts after a key, which consists of the sorted value and the id of the last item. If an item is deleted or
changed between two pages, the list neither ends early nor repeats another item.
"""

from dataclasses import dataclass
from typing import Any, Literal

from graph.connection import Connection
from graph.generations.catalogue import current_generation, require_generation
from graph.live import live
from graph.records import Patch, Role, Video
from graph.rows import as_record

VideoSort = Literal["id", "name", "date", "patches", "duration"]

# sort key of each order, and whether it is descending
_KEYS: dict[VideoSort, tuple[str, bool]] = {
    "id": ("''", False),
    "name": ("toLower(v.name)", False),
    "date": ("coalesce(v.ingested_at, '')", True),
    "patches": ("patches", True),
    "duration": ("coalesce(v.duration_s, 0.0)", True),
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
# (p)-[:INTRA_INSTANCE]-()      (p)-[:INTER_INSTANCE {generation}]-()
_PATCHES = """
{of}
  AND ($role IS NULL OR p.role = $role)
  AND ($no_object IS NULL OR coalesce(p.no_object, false) = $no_object)
  AND ($confidence IS NULL OR EXISTS {{ (p)-[e:INTRA_INSTANCE]-() WHERE e.confidence >= $confidence }})
  AND ($linked IS NULL
       OR $linked = EXISTS {{ (p)-[e:INTER_INSTANCE]-(q:Patch) WHERE e.generation = $current AND {live} }})
WITH DISTINCT p ORDER BY p.id LIMIT $limit
RETURN p {{.*}} AS patch ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Conditions on listed videos; None sets no condition."""

    status: Literal["ready", "failed"] | None = None
    name: str | None = None  # part of the file's name, ignoring case


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video, its number of patches, and its sort key."""

    video: Video
    patches: int
    key: str | int | float


@dataclass(frozen=True, slots=True)
class PatchFilter:
    """Conditions on listed patches; None sets no condition."""

    video: str | None = None
    role: Role | None = None
    parent: int | None = None  # parent cluster of the patch or of its track's start
    confidence: float | None = None  # minimum confidence of a track of the patch, 0..1
    no_object: bool | None = None  # True: only patches marked as no object; False: without them
    linked: bool | None = None  # whether the patch has an edge of the current generation


def list_videos(
    connection: Connection,
    conditions: VideoFilter | None = None,
    sort: VideoSort = "id",
    after: tuple[str | int | float, str] = ("", ""),
    limit: int = 100,
) -> list[ListedVideo]:
    """Return up to `limit` videos; names and ids ascend, dates, numbers of patches and durations descend.

    `after` is the key and the id of the previous page's last video.
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
    """Return up to `limit` patches in the order of their ids, starting after the id `after`.

    `generation` is that of the parent cluster (None: the current one); raises `NotFound` if it does not exist.
    """
    of = "parent" if conditions.parent is not None else "video" if conditions.video is not None else "all"
    parameters: dict[str, Any] = {
        "generation": require_generation(connection, generation).id if of == "parent" else None,
        "parent": conditions.parent,
        "video": conditions.video,
        "role": conditions.role,
        "confidence": conditions.confidence,
        "no_object": conditions.no_object,
        "linked": conditions.linked,
        "current": current_generation(connection),
    }
    rows = connection.read(
        _PATCHES.format(of=_PATCHES_OF[of], live=live("p", "q")), after=after, limit=limit, **parameters
    )
    return [as_record(Patch, row["patch"]) for row in rows]
