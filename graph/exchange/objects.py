"""The objects of one video for the formats of other tools: one track with its boxes for each track start.

(a:Patch {role: "start"})-[:INTRA_INSTANCE]->(b:Patch)      (a)-[:IN_PARENT]->(:ParentCluster)

Tracks marked as no object are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from graph import videos
from graph.connection import Connection
from graph.generations.catalogue import current_generation
from graph.queries.tracks import tracks_of_video
from graph.records import Patch, Video

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """A track start (A) and its ends (A'); `confidence` is the maximum of its tracks, 0..1."""

    number: int  # from 1, within its video
    patches: tuple[Patch, ...]  # A first, then the ends by their frame
    confidence: float
    parent: int  # parent cluster of the current generation, -1 if it has none


@dataclass(frozen=True, slots=True)
class VideoObjects:
    """A mined video and its objects."""

    video: Video
    objects: tuple[TrackedObject, ...]


def every_video(connection: Connection) -> Iterator[VideoObjects]:
    """Yield the ready videos that have tracks, in the order of their ids."""
    generation = current_generation(connection) or ""
    for identifier in videos.video_ids_with_tracks(connection):
        patches = {patch.id: patch for patch in _patches(connection, identifier)}
        confidence: dict[str, float] = {}
        for track in videos.list_tracks(connection, identifier):
            confidence[track.start_id] = max(track.confidence, confidence.get(track.start_id, 0.0))
        found = tracks_of_video(connection, identifier, generation)
        objects = [
            TrackedObject(
                number,
                (patches[one.start], *sorted((patches[end] for end in one.ends), key=lambda patch: patch.frame)),
                confidence.get(one.start, 0.0),
                one.parent,
            )
            for number, one in enumerate(sorted(found, key=lambda one: one.start), 1)
        ]
        yield VideoObjects(videos.get_video(connection, identifier), tuple(objects))


def _patches(connection: Connection, video: str) -> Iterator[Patch]:
    after = ""
    while page := videos.list_patches(connection, video, after, _PAGE):
        yield from page
        after = page[-1].id
