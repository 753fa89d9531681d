"""The ingest stage: mining of a video file into shards, and then, in one transaction, nodes and edges."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from graph import jobs, videos
from graph.errors import BadVideo, InvalidInput, NotFound, StorageError, Unavailable
from graph.records import Progress, Video
from workers.mining.isolated import cut_isolated, mine_segment_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo, added, check_length, check_size
from workers.mining.video import video_id
from workers.requests import IngestRequest
from workers.stage_context import StageContext
from workers.stages import segments

Parts = Callable[[], Iterator[MinedVideo]]  # gives the segments of a video anew at every call, one at a time


def ingest(context: StageContext, request: IngestRequest, progress: Progress) -> str:
    """Mine a video file and store its patches and tracks; returns the video's id (sections 4.1 and 4.3).

    A video that is there already is left alone. One that cannot be mined raises `BadVideo` after its node was written
    as failed, with the reason. The shards come first and the graph last, so a video is in the graph only when its
    files are whole; when the graph refuses, the files are taken away again.
    """
    path = Path(request.path)
    if not path.is_file():
        raise InvalidInput(f"{path} is no file, or this worker cannot see it.")
    identifier = video_id(path)
    if identifier != (request.video or identifier):
        raise InvalidInput(f"{path.name} changed while it waited. Run the same command again.")
    if is_ready(context, identifier):
        segments.clear(context, identifier)  # a run that was killed after its last step may have left some
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
    """Have a video mined, in one piece or, where it is long, in segments by all workers that are free."""
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
        raise  # the job comes back, and goes on with the segments that are done
    except BaseException:
        segments.clear(context, identifier)
        raise
    segments.clear(context, identifier)


def store(context: StageContext, parts: Parts, name: str, progress: Progress) -> None:
    """Write the shards and then the graph; when that fails, the files do not stay behind."""
    whole: MinedVideo | None = None  # without its pixels, which never are in memory together

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
        check_size(whole.video, whole.report)
        report = json.dumps(whole.report)
        video = replace(whole.video, name=name, status="ready", ingested_at=jobs.now(), report=report)
        videos.write_video(context.connection, video, whole.patches, whole.tracks)
    except Unavailable:
        # whether the transaction went through is not known; the files are whole and the next try writes the same ones
        raise
    except BaseException:
        if not is_ready(
            context, identifier
        ):  # another worker may have finished the same video: then they are its files
            for folder in ("patches", "frames"):
                context.shards.delete(f"{folder}/{identifier}")
        raise
    progress("writing", len(whole.patches), len(whole.patches), "patches")


def patch_table(mined: MinedVideo, first_track: int = 0) -> pa.Table:
    """Lay out patches/<video>: one row a patch, `track` counting the video's tracks (see graph.shards)."""
    numbered = enumerate(mined.tracks, first_track)
    track_of = {end: number for number, track in numbered for end in (track.start_id, track.end_id)}
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


def is_ready(context: StageContext, identifier: str) -> bool:
    """Say whether this video was ingested before."""
    try:
        return videos.get_video(context.connection, identifier).status == "ready"
    except NotFound:
        return False


def check_disk(context: StageContext) -> None:
    """Raise `StorageError` when less than `min_free_disk_mb` is free where the files go."""
    if "://" in context.settings.data:
        return
    folder = Path(context.settings.data)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // 1024**2
    if free < context.settings.min_free_disk_mb:
        raise StorageError(
            f"Only {free} MiB are free at {folder}, and {context.settings.min_free_disk_mb} must stay so. Free some "
            "space or lower TRANSITIVE_MIN_FREE_DISK_MB; then run the same command again."
        )
