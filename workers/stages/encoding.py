"""From the patches of videos to a shard of vectors each: what features and embeddings have in common."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from graph import videos
from graph.errors import NotFound
from graph.records import Progress
from training.encoder import Encoder
from workers.workplace import Workplace

_BATCH = 1024  # patches encoded together, whatever videos they are from

Encode = Callable[[NDArray[np.uint8]], NDArray[np.floating]]

_COUNT = "MATCH (p:Patch) WHERE p.video_id IN $videos RETURN count(p) AS count"


def encode_missing(place: Workplace, folder: str, encode: Encode, stage: str, progress: Progress) -> int:
    """Write `folder`/<video> for every ready video that has none; returns how many were written.

    `folder` is `features/<model>` or `embeddings/<model>`; `encode` turns uint8 (N, 96, 96, 3) into (N, D).
    """
    there = set(place.shards.names(folder))
    missing = [video for video in videos.ready_video_ids(place.connection) if video not in there]
    total = place.connection.read(_COUNT, videos=missing)[0]["count"] if missing else 0
    done = 0
    progress(stage, 0, total, "patches")
    for names, ids, jpegs in _groups(place, missing):
        vectors = encode(Encoder.decode(jpegs))
        start = 0
        for name, own in zip(names, ids, strict=True):
            place.shards.write_vectors(f"{folder}/{name}", own, vectors[start : start + len(own)])
            start += len(own)
        done += start
        progress(stage, done, max(total, done), "patches")
    return len(missing)


def _groups(place: Workplace, video_ids: Sequence[str]) -> Iterator[tuple[list[str], list[list[str]], list[bytes]]]:
    """Yield (videos, ids of each, all JPEGs) in groups of about `_BATCH` patches; a deleted video is left out."""
    names: list[str] = []
    ids: list[list[str]] = []
    jpegs: list[bytes] = []
    for video in video_ids:
        try:
            table = place.shards.read(f"patches/{video}", ["id", "jpeg"])
        except NotFound:
            if video in videos.ready_video_ids(place.connection):
                raise
            continue
        names.append(video)
        ids.append(table["id"].to_pylist())
        jpegs += table["jpeg"].to_pylist()
        if len(jpegs) >= _BATCH:
            yield names, ids, jpegs
            names, ids, jpegs = [], [], []
    if names:
        yield names, ids, jpegs
