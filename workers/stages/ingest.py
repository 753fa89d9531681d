"""From a video file to its shards of patches and frames, and then, in one transaction, to its nodes and edges."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from graph import videos
from graph.errors import BadVideo, InvalidInput, NotFound, StorageError, Unavailable
from graph.records import Progress, Video
from workers import ledger
from workers.mining.isolated import mine_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.video import MinedVideo, video_id
from workers.workplace import Workplace


def ingest(place: Workplace, arguments: dict[str, Any], progress: Progress) -> str:
    """Mine `arguments["path"]` and store what was found; returns the video's id. Sections 4.1 and 4.3.

    A video that is there already is left alone. One that cannot be mined raises `BadVideo` after its node was written
    as failed, with the reason. The shards come first and the graph last, so a video is in the graph only when its
    files are whole; when the graph refuses, the files are taken away again.
    """
    path = Path(arguments["path"])
    if not path.is_file():
        raise InvalidInput(f"{path} is no file, or this worker cannot see it.")
    identifier = video_id(path)
    if identifier != arguments.get("video", identifier):
        raise InvalidInput(f"{path.name} changed while it waited. Run the same command again.")
    if is_ready(place, identifier):
        return identifier
    check_disk(place)
    name = arguments.get("name") or path.name
    try:
        usual = Mining()
        numbers = Mining(
            stride=int(arguments.get("stride", usual.stride)),
            track_length=int(arguments.get("track_length", usual.track_length)),
        )
        mined = mine_isolated(path, Limits.of(place.settings), progress, numbers)
    except BadVideo as error:
        failed = Video(id=identifier, name=name, status="failed", reason=str(error), ingested_at=ledger.now())
        videos.write_video(place.connection, failed, [], [])
        raise
    store(place, replace(mined, video=replace(mined.video, name=name)), progress)
    return identifier


def store(place: Workplace, mined: MinedVideo, progress: Progress) -> None:
    """Write the shards and then the graph; when that fails, the files do not stay behind."""
    video = replace(mined.video, status="ready", ingested_at=ledger.now())
    progress("writing", 0, len(mined.patches), "patches")
    shards = {f"patches/{video.id}": patch_table(mined), f"frames/{video.id}": frame_table(mined)}
    try:
        for name, table in shards.items():
            place.shards.write(name, table)
        videos.write_video(place.connection, video, mined.patches, mined.tracks)
    except Unavailable:
        # whether the transaction went through is not known; the files are whole and the next try writes the same ones
        raise
    except BaseException:
        if not is_ready(place, video.id):  # another worker may have finished the same video: then they are its files
            for name in shards:
                place.shards.delete(name)
        raise
    progress("writing", len(mined.patches), len(mined.patches), "patches")


def patch_table(mined: MinedVideo) -> pa.Table:
    """Lay out patches/<video>: one row a patch, `track` counting the video's tracks (see graph.shards)."""
    track_of = {end: number for number, track in enumerate(mined.tracks) for end in (track.start_id, track.end_id)}
    return pa.table(
        {
            "id": pa.array([patch.id for patch in mined.patches], pa.string()),
            "frame": pa.array([patch.frame for patch in mined.patches], pa.int64()),
            "track": pa.array([track_of.get(patch.id, -1) for patch in mined.patches], pa.int64()),
            "role": pa.array([patch.role for patch in mined.patches], pa.string()),
            "jpeg": pa.array(mined.jpegs, pa.binary()),
        }
    )


def frame_table(mined: MinedVideo) -> pa.Table:
    """Lay out frames/<video>: whole frames for context prediction."""
    return pa.table(
        {
            "frame": pa.array([number for number, _ in mined.frames], pa.int64()),
            "jpeg": pa.array([jpeg for _, jpeg in mined.frames], pa.binary()),
        }
    )


def is_ready(place: Workplace, identifier: str) -> bool:
    """Say whether this video was ingested before."""
    try:
        return videos.get_video(place.connection, identifier).status == "ready"
    except NotFound:
        return False


def check_disk(place: Workplace) -> None:
    """Raise `StorageError` when less than `min_free_disk_mb` is free where the files go."""
    if "://" in place.settings.data:
        return
    folder = Path(place.settings.data)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // 1024**2
    if free < place.settings.min_free_disk_mb:
        raise StorageError(
            f"Only {free} MiB are free at {folder}, and {place.settings.min_free_disk_mb} must stay so. Free some "
            "space or lower TRANSITIVE_MIN_FREE_DISK_MB; then run the same command again."
        )
