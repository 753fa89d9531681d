"""Writer of Parquet tables: patches with their pictures, tracks, links, and the vectors of one model.

patches.parquet      id, video_id, video_name, frame, time_s, x, y, w, h, role, track, parent, jpeg
tracks.parquet       start_id, end_id, track_length, confidence
links.parquet        a_id, b_id, distance, parent, held_out          of the current generation, without rejected ones
embeddings.parquet   id, vector (E float32)                          of the current model, if there is one
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graph import videos
from graph.connection import Connection
from graph.exchange.objects import VideoObjects
from graph.generations.catalogue import current_generation, get_generation
from graph.generations.reader import edges_of_bucket
from graph.models import current_model
from graph.shards import Shards

_PATCH_FIELDS = ("id", "video_id", "frame", "time_s", "x", "y", "w", "h", "role")


class _Tables:
    """Writer of Parquet files that adds one row group at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> "_Tables":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        table = pa.table(dict(columns))
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self._folder / f"{name}.parquet", table.schema)
        self._writers[name].write_table(table)


def write_parquet(
    connection: Connection, every: Iterable[VideoObjects], shards: Shards, folder: Path
) -> dict[str, int]:
    """Write the tables into `folder`; returns the numbers of videos, tracks, boxes, links and vectors."""
    folder.mkdir(parents=True)
    counts = {"videos": 0, "tracks": 0, "boxes": 0, "links": 0, "vectors": 0}
    model = current_model(connection)
    embedded = set(shards.names(f"embeddings/{model.id}")) if model else set()
    with _Tables(folder) as tables:
        for one in every:
            read = shards.read(f"patches/{one.video.id}", ["id", "jpeg"])
            jpegs = dict(zip(read["id"].to_pylist(), read["jpeg"].to_pylist(), strict=True))
            rows = [(patch, found) for found in one.objects for patch in found.patches]
            columns: dict[str, Any] = {name: [getattr(patch, name) for patch, _ in rows] for name in _PATCH_FIELDS}
            columns["video_name"] = [one.video.name] * len(rows)
            columns["track"] = [found.number for _, found in rows]
            columns["parent"] = [found.parent for _, found in rows]
            columns["jpeg"] = [jpegs[patch.id] for patch, _ in rows]
            tables.add("patches", columns)
            kept = {found.patches[0].id for found in one.objects}
            tracks = [track for track in videos.list_tracks(connection, one.video.id) if track.start_id in kept]
            names = ("start_id", "end_id", "track_length", "confidence")
            tables.add("tracks", {name: [getattr(track, name) for track in tracks] for name in names})
            if model and one.video.id in embedded:
                ids, vectors = shards.read_vectors(f"embeddings/{model.id}/{one.video.id}")
                flat = pa.array(vectors.reshape(-1), pa.float32())
                tables.add(
                    "embeddings", {"id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
                )
                counts["vectors"] += len(ids)
            counts["videos"] += 1
            counts["tracks"] += len(one.objects)
            counts["boxes"] += len(rows)
        generation = current_generation(connection)
        for bucket in range(get_generation(connection, generation).buckets if generation else 0):
            edges = edges_of_bucket(connection, generation or "", bucket)
            of_a_link = ("a_id", "b_id", "distance", "parent", "held_out")
            tables.add("links", {name: [edge[place] for edge in edges] for place, name in enumerate(of_a_link)})
            counts["links"] += len(edges)
    return counts
