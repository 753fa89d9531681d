"""Encoding of patches into shards of features or embeddings, one shard per video."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from graph import videos
from graph.errors import InvalidInput, NotFound, StorageError
from graph.records import Progress
from training.pictures import pictures_to_patches
from workers.stage_context import StageContext

_BATCH = 1024  # patches encoded together, from one or several videos

Encode = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


def encode_missing(context: StageContext, folder: str, encode: Encode, stage: str, progress: Progress) -> int:
    """Write the missing shards `folder`/<video> of all ready videos; returns the number of shards written.

    `folder` is `features/<model>` or `embeddings/<model>`. `encode` maps uint8 (N, 96, 96, 3) to vectors (N, D).
    """
    missing = missing_videos(context, folder)
    total = videos.count_patches(context.connection, missing) if missing else 0
    done = 0
    progress(stage, 0, total, "patches")
    for names, ids, jpegs in _groups(context, missing):
        vectors = encode(_decode([patch for own in ids for patch in own], jpegs))
        start = 0
        for name, own in zip(names, ids, strict=True):
            context.shards.write_vectors(f"{folder}/{name}", own, vectors[start : start + len(own)])
            start += len(own)
        done += start
        progress(stage, done, max(total, done), "patches")
    return len(missing)


def missing_videos(context: StageContext, folder: str) -> list[str]:
    """Return the ready videos that have no shard in `folder`, sorted."""
    there = set(context.shards.names(folder))
    return [video for video in videos.ready_video_ids(context.connection) if video not in there]


def _decode(ids: Sequence[str], jpegs: Sequence[bytes]) -> NDArray[np.uint8]:
    try:
        return pictures_to_patches([(f"Patch {patch}", jpeg) for patch, jpeg in zip(ids, jpegs, strict=True)])
    except InvalidInput as error:
        raise StorageError(f"{error} Delete the patch's video and ingest it again.") from None


def _groups(
    context: StageContext, video_ids: Sequence[str]
) -> Iterator[tuple[list[str], list[list[str]], list[bytes]]]:
    """Yield (video ids, patch ids of each video, all JPEGs) of about `_BATCH` patches; skips deleted videos."""
    names: list[str] = []
    ids: list[list[str]] = []
    jpegs: list[bytes] = []
    for video in video_ids:
        try:
            table = context.shards.read(f"patches/{video}", ["id", "jpeg"])
        except NotFound:
            if video in videos.ready_video_ids(context.connection):
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
