"""The ingest stage: mines a video file and writes its shards, then its nodes and edges."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa

from graph import jobs, videos
from graph.errors import BadVideo, InvalidInput, NotFound, StorageError, Unavailable
from graph.records import Progress, Video
from workers.mining.isolated import cut_isolated, mine_segment_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo, added, check_frames, check_length
from workers.mining.video import video_id
from workers.requests import IngestRequest
from workers.stage_context import StageContext
from workers.stages import segments

_PATH = pa.struct(
    [
        ("start_id", pa.string()),
        ("times_s", pa.list_(pa.float64())),
        ("boxes", pa.list_(pa.list_(pa.int32(), 4))),
    ]
)
_TIMELINE = pa.schema(
    [
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("reason", pa.string()),
        ("refused", pa.list_(pa.string())),
        ("paths", pa.list_(_PATH)),
    ]
)

Parts = Callable[[], Iterator[MinedVideo]]  # every call iterates over the segments of a video again


def ingest(context: StageContext, request: IngestRequest, progress: Progress) -> str:
    """Mine a video file and store its patches and tracks; returns the video's id (sections 4.1 and 4.3).

    A ready video is left unchanged. The shards are written before the graph, so a video is ready only if its files are
    complete; if the graph cannot be written, the files are deleted again.

    Raises:
        BadVideo: the video cannot be mined; its node is written as failed, with the reason.
        InvalidInput: the file is missing or has changed.
        StorageError: too little disk space is free.
    """
    path = Path(request.path)
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file that this worker can read. Check the path and where the worker runs.")
    identifier = video_id(path)
    if identifier != (request.video or identifier):
        raise InvalidInput(f"{path.name} changed after it was submitted. Submit it again.")
    if is_ready(context, identifier):
        segments.clear(context, identifier)  # a run that was killed near its end may have left some
        return identifier
    check_disk(context)
    name = request.target
    recipe = Mining.of(context.settings, request.mining)
    try:
        with _mined(context, path, identifier, recipe, progress) as parts:
            store(context, parts, name, progress)
    except BadVideo as error:
        failed = Video(id=identifier, name=name, status="failed", reason=str(error), ingested_at=jobs.now())
        videos.write_video(context.connection, failed, [], [])
        raise
    return identifier


@contextmanager
def _mined(context: StageContext, path: Path, identifier: str, recipe: Mining, progress: Progress) -> Iterator[Parts]:
    """Mine a video in one piece, or a long video in segments on all free workers; yields access to the results."""
    limits = Limits.of(context.settings)
    cut = cut_isolated(path, limits, progress, recipe)
    if len(cut) == 1:
        mined = mine_segment_isolated(path, limits, progress, recipe, cut[0], identifier)
        check_length(mined.video, mined.report, recipe)
        yield lambda: iter([mined])
        return
    asked = segments.SegmentedVideo(path, identifier, recipe, cut)
    try:
        segments.mine_all(context, asked, progress)
        yield lambda: segments.read_all(context, asked)
    except Unavailable:
        raise  # the job is retried and uses the finished segments
    except BaseException:
        segments.clear(context, identifier)
        raise
    segments.clear(context, identifier)


def store(context: StageContext, parts: Parts, name: str, progress: Progress) -> None:
    """Write the shards and then the graph; deletes the shards again on failure."""
    whole: MinedVideo | None = None  # without pixels, so that memory holds one segment's pixels at a time

    def tables() -> Iterator[pa.Table]:
        nonlocal whole
        for part in parts():
            yield patch_table(part, 0 if whole is None else len(whole.tracks))
            seen = replace(part, jpegs=[], frames=[])
            whole = seen if whole is None else added(whole, seen)

    identifier = next(parts()).video.id
    progress("writing", 0, 0, "patches")
    try:
        context.shards.write_pieces(f"patches/{identifier}", tables())
        context.shards.write_pieces(f"frames/{identifier}", (frame_table(part) for part in parts()))
        assert whole is not None  # noqa: S101 - the tables were written
        context.shards.write(f"timelines/{identifier}", timeline_table(whole))
        check_frames(whole.video, whole.report)
        report = json.dumps(whole.report)
        video = replace(whole.video, name=name, status="ready", ingested_at=jobs.now(), report=report)
        videos.write_video(context.connection, video, whole.patches, whole.tracks, context.settings.pages)
    except Unavailable:
        # The transaction may have been committed. The files are complete, and a retry writes the same ones.
        raise
    except BaseException:
        if not is_ready(context, identifier):  # if another worker has finished this video, the files are in use
            for folder in ("patches", "frames", "timelines"):
                context.shards.delete(f"{folder}/{identifier}")
        raise
    progress("writing", len(whole.patches), len(whole.patches), "patches")


def patch_table(mined: MinedVideo, first_track: int = 0) -> pa.Table:
    """Return the table of patches/<video>, one row per patch (see `graph.shards`).

    `track` is one number for a start and all its ends, counted in the video.
    """
    track_of: dict[str, int] = {}
    for number, track in enumerate(mined.tracks, first_track):
        track_of[track.end_id] = track_of.setdefault(track.start_id, number)
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
    """Return the table of frames/<video>: whole frames for context prediction."""
    return pa.table(
        {
            "frame": pa.array([number for number, _ in mined.frames], pa.int64()),
            "jpeg": pa.array([jpeg for _, jpeg in mined.frames], pa.binary()),
        }
    )


def timeline_table(mined: MinedVideo) -> pa.Table:
    """Return the table of timelines/<video>, one row per window (see `workers.mining.timeline`)."""
    return pa.Table.from_pylist([asdict(window) for window in mined.timeline], _TIMELINE)


def is_ready(context: StageContext, identifier: str) -> bool:
    """Return whether the video is in the graph and ready."""
    try:
        return videos.get_video(context.connection, identifier).status == "ready"
    except NotFound:
        return False


def check_disk(context: StageContext) -> None:
    """Raise `StorageError` if less than `min_free_disk_mb` is free on a local data folder's disk."""
    if "://" in context.settings.data:
        return
    folder = Path(context.settings.data)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // 1024**2
    if free < context.settings.min_free_disk_mb:
        raise StorageError(
            f"Only {free} MiB are free at {folder}; {context.settings.min_free_disk_mb} MiB must stay free. Free some "
            "space or lower TRANSITIVE_MIN_FREE_DISK_MB, then try again."
        )
