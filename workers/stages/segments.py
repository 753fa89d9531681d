"""Mining of a long video's segments by all free workers.

The video's ingest job submits one job per segment and then mines segments itself until none is left, so one worker is
enough. The result of each segment is stored in a shard until all are mined, so a killed run can be resumed.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from graph import jobs
from graph.errors import BadVideo, Cancelled
from graph.records import IntraInstance, Patch, Progress, Video
from workers import queue, recovery
from workers.mining.isolated import mine_segment_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.mining.survey import Segment
from workers.mining.timeline import TrackPath, Window
from workers.progress import JobProgress
from workers.requests import SegmentRequest, job_id
from workers.stage_context import StageContext

_WAIT_SECONDS = 0.5  # time between two checks of the other workers' segments


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """A long video and the segments to mine."""

    path: Path
    video: str
    recipe: Mining
    segments: list[Segment]

    def request(self, segment: Segment) -> SegmentRequest:
        """Return the request for one segment."""
        return SegmentRequest(str(self.path), self.video, self.recipe, segment, len(self.segments))

    def shard(self, segment: Segment) -> str:
        """Return the name of the shard with a segment's result."""
        return _shard(self.request(segment))


def mine_all(context: StageContext, asked: SegmentedVideo, progress: Progress) -> None:
    """Mine every segment, in this or other workers, until all their shards exist.

    Raises:
        BadVideo: a segment cannot be mined.
        Cancelled: the video's job was cancelled.
    """
    owner = recovery.owner_name(uuid4().hex)
    total = len(asked.segments)
    while missing := [one for one in asked.segments if not context.shards.exists(asked.shard(one))]:
        progress("mine", total - len(missing), total, "segments")
        ids = [job_id(asked.request(segment)) for segment in missing]
        for job in jobs.get_jobs(context.connection, ids).values():
            if job.state == "failed":
                raise BadVideo(job.reason)
        for segment in missing:
            queue.submit(context.connection, context.redis_url, asked.request(segment))
        if not any(_mine_here(context, asked.request(segment), owner, progress) for segment in missing):
            time.sleep(_WAIT_SECONDS)
    progress("mine", total, total, "segments")


def _mine_here(context: StageContext, request: SegmentRequest, owner: str, progress: Progress) -> bool:
    """Mine a segment unless another worker is mining it; returns whether this worker claimed it."""
    identifier = job_id(request)
    try:
        claimed = jobs.claim_job(context.connection, identifier, owner)
    except BlockingIOError:
        return False
    if claimed is None:
        return False
    with JobProgress(context.connection, identifier, owner) as of_segment:

        def both(stage: str, done: int, total: int, unit: str) -> None:
            of_segment(stage, done, total, unit)
            progress(stage, done, total, unit)

        try:
            mine_one(context, request, both)
        except Cancelled:
            progress("segments", 0, 0, "segments")  # raises if the video's job was cancelled, not only this segment
            return True
    jobs.finish_job(context.connection, identifier, "done", owner=owner)
    return True


def mine_one(context: StageContext, request: SegmentRequest, progress: Progress) -> str:
    """Mine one segment into its shard; returns the shard's name. If the job is cancelled, the shard is deleted."""
    mined = mine_segment_isolated(
        Path(request.path), Limits.of(context.settings), progress, request.mining, request.segment, request.video
    )
    name = _shard(request)
    context.shards.write(name, _table(mined))
    try:
        progress("kept", 1, 1, "segments")  # a new stage is written at once, which also checks for cancellation
    except Cancelled:
        context.shards.delete(name)
        raise
    return name


def read_all(context: StageContext, asked: SegmentedVideo) -> Iterator[MinedVideo]:
    """Yield the results of the segments in their order."""
    for segment in asked.segments:
        yield _mined(context.shards.read(asked.shard(segment)))


def clear(context: StageContext, video: str) -> None:
    """Delete the jobs and shards of a video's segments; the jobs first, so that workers stop mining them."""
    jobs.forget_segment_jobs(context.connection, video)
    context.shards.delete_segments(video)


def _shard(request: SegmentRequest) -> str:
    return f"segments/{job_id(request)}/{request.video}"


def _table(mined: MinedVideo) -> pa.Table:
    """Return the table of a segment's shard: one row per patch and per whole frame; the rest is JSON metadata."""
    facts = {
        "video": asdict(mined.video),
        "patches": [asdict(patch) for patch in mined.patches],
        "tracks": [asdict(track) for track in mined.tracks],
        "frames": [index for index, _ in mined.frames],
        "report": mined.report,
        "timeline": [asdict(window) for window in mined.timeline],
    }
    pictures = [*mined.jpegs, *(jpeg for _, jpeg in mined.frames)]
    table = pa.table({"jpeg": pa.array(pictures, pa.binary())})
    return table.replace_schema_metadata({"mined": json.dumps(facts)})


def _mined(table: pa.Table) -> MinedVideo:
    facts = json.loads(table.schema.metadata[b"mined"])
    pictures = table["jpeg"].to_pylist()
    patches = [Patch(**row) for row in facts["patches"]]
    return MinedVideo(
        Video(**facts["video"]),
        patches,
        pictures[: len(patches)],
        [IntraInstance(**row) for row in facts["tracks"]],
        list(zip(facts["frames"], pictures[len(patches) :], strict=True)),
        facts["report"],
        [Window(**{**row, "paths": [TrackPath(**path) for path in row["paths"]]}) for row in facts["timeline"]],
    )
