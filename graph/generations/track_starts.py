"""Reading of track starts from the graph as columns for linking, one query per video.

(:Video)-[:HAS_PATCH]->(p:Patch {role: "start"})-[:INTRA_INSTANCE {confidence}]->(:Patch)
"""

from collections.abc import Mapping, Sequence

import numpy as np

from graph.connection import Connection
from graph.linking.track_starts import TrackStarts

# (p), found by the index on (video_id, id). Collected, because one row per patch takes the driver several times as long
_STARTS = """
MATCH (p:Patch)
WHERE p.video_id = $video AND p.id > '' AND p.role = 'start' AND p.no_object IS NULL
  AND ($confidence = 0 OR EXISTS { (p)-[e:INTRA_INSTANCE]->() WHERE e.confidence >= $confidence })
RETURN collect(p.id) AS ids, collect([p.frame, p.x, p.y, p.w, p.h]) AS places
"""


def read_track_starts(
    connection: Connection, videos: Sequence[str], reencodings: Mapping[str, str], confidence: float = 0.0
) -> TrackStarts:
    """Return the starts of these videos' tracks with at least this confidence that are not marked as no object.

    `reencodings` maps a re-encoded video to the first of its re-encodings.
    """
    ids: list[str] = []
    names: list[str] = []
    places = [np.empty((0, 5), np.int64)]
    for video in videos:
        row = connection.read(_STARTS, video=video, confidence=confidence)[0]
        ids += row["ids"]
        names += [video] * len(row["ids"])
        places.append(np.array(row["places"], np.int64).reshape(-1, 5))
    table = np.concatenate(places)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    owners = [reencodings.get(names[row], names[row]) for row in order]
    frames, boxes = table[order, 0], table[order, 1:]
    return TrackStarts([ids[row] for row in order], [names[row] for row in order], owners, frames, boxes)
