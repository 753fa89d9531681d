"""Query for a sorted and filtered list of videos with their numbers of patches, paged by key.

(v:Video)-[:HAS_PATCH]->(:Patch)
"""

from dataclasses import dataclass
from typing import Literal

from graph.connection import Connection
from graph.records import Video
from graph.rows import as_record

VideoSort = Literal["newest", "name", "patches", "longest"]

# sort key of each order, and whether it is descending
_KEYS: dict[VideoSort, tuple[str, bool]] = {
    "newest": ("coalesce(v.ingested_at, '')", True),
    "name": ("toLower(v.name)", False),
    "patches": ("patches", True),
    "longest": ("coalesce(v.duration_s, 0.0)", True),
}


def _query(key: str, largest_first: bool) -> str:
    """Return the query of one order; equal keys are ordered by id, so pages neither overlap nor leave gaps."""
    sign, order = ("<", "DESC") if largest_first else (">", "ASC")
    return f"""
    MATCH (v:Video)
    WHERE ($text = '' OR toLower(v.name) CONTAINS $text) AND ($status = '' OR v.status = $status)
    WITH v, COUNT {{ (v)-[:HAS_PATCH]->() }} AS patches
    WITH v, patches, {key} AS key
    WHERE $last = '' OR key {sign} $after OR (key = $after AND v.id > $last)
    RETURN v {{.*}} AS video, patches, key ORDER BY key {order}, v.id LIMIT $limit
    """


_QUERIES = {sort: _query(*key) for sort, key in _KEYS.items()}
_KEY_OF = {
    sort: f"""
    MATCH (v:Video {{id: $last}})
    WITH v, COUNT {{ (v)-[:HAS_PATCH]->() }} AS patches
    RETURN {key} AS key
    """
    for sort, (key, _) in _KEYS.items()
}


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video and its number of patches."""

    video: Video
    patches: int


def list_sorted_videos(
    connection: Connection, sort: VideoSort, text: str = "", status: str = "", last: str = "", limit: int = 60
) -> list[ListedVideo]:
    """Return up to `limit` videos in this order, starting after the video `last`.

    `text` must be part of the name, ignoring case, and `status` must be equal; "" sets no condition.
    """
    keys = connection.read(_KEY_OF[sort], last=last) if last else []
    if last and not keys:
        return []  # the video was deleted in the meantime
    rows = connection.read(
        _QUERIES[sort],
        text=text.lower(),
        status=status,
        last=last,
        after=keys[0]["key"] if keys else None,
        limit=limit,
    )
    return [ListedVideo(as_record(Video, row["video"]), row["patches"]) for row in rows]
