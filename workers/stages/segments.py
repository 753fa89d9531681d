"""A long video's segments in; what each gave, mined by whichever workers are free, out.

The video's ingest job asks for one job per segment and then mines segments itself until none is left, so one worker
alone gets through. What a segment gave lies in a shard until all are there: a killed run goes on where it was.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from graph.errors import BadVideo, Cancelled
from graph.records import IntraInstance, Patch, Progress, Video
from workers import ledger, queue, recovery
from workers.mining.decode import Segment
from workers.mining.isolated import mine_segment_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.progress import JobProgress
from workers.stage_context import StageContext

_WAIT_SECONDS = 0.5  # between two looks at what the others do


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """A long video whose segments are wanted."""

    path: Path
    video: str
    recipe: Mining
    segments: list[Segment]

    def arguments(self, segment: Segment) -> dict[str, Any]:
        """Say what the job of one segment is."""
        return {
            "path": str(self.path),
            "video": self.video,
            "mining": asdict(self.recipe),
            "segment": asdict(segment),
        }

    def shard(self, segment: Segment) -> str:
        """Name the file of what a segment gave."""
        return _shard(self.arguments(segment))


def mine_all(context: StageContext, asked: SegmentedVideo, progress: Progress) -> None:
    """Have every segment mined, here or elsewhere: afterwards its shard is there.

    Raises:
        BadVideo: a segment cannot be mined.
        Cancelled: the video's job was asked to stop.
    """
    owner = recovery.owner_name(uuid4().hex)
    total = len(asked.segments)
    while missing := [one for one in asked.segments if not context.shards.exists(asked.shard(one))]:
        progress("mine", total - len(missing), total, "segments")
        jobs = [queue.identity("segment", asked.arguments(segment)) for segment in missing]
        for job in ledger.jobs(context.connection, jobs).values():
            if job.state == "failed":
                raise BadVideo(job.reason)
        for segment in missing:
            target = f"{asked.path.name}, segment {segment.number + 1} of {total}"
            queue.submit(context.connection, context.redis_url, "segment", asked.arguments(segment), target)
        if not any(_mine_here(context, job, owner, progress) for job in jobs):
            time.sleep(_WAIT_SECONDS)
    progress("mine", total, total, "segments")


def _mine_here(context: StageContext, job_id: str, owner: str, progress: Progress) -> bool:
    """Mine a segment unless somebody else does; says whether that was tried here."""
    try:
        claimed = ledger.claim(context.connection, job_id, owner)
    except BlockingIOError:
        return False
    if claimed is None:
        return False
    with JobProgress(context.connection, job_id, owner) as of_segment:

        def both(stage: str, done: int, total: int, unit: str) -> None:
            of_segment(stage, done, total, unit)
            progress(stage, done, total, unit)

        try:
            mine_one(context, claimed[1], both)
        except Cancelled:
            progress("segments", 0, 0, "segments")  # raises where it is the whole video that is not wanted any more
            return True
    ledger.finish(context.connection, job_id, "done", owner=owner)
    return True


def mine_one(context: StageContext, arguments: dict[str, Any], progress: Progress) -> str:
    """Mine one segment into its shard; returns the shard's name. The file goes away again when it is not wanted."""
    recipe = Mining(**arguments["mining"])
    segment = Segment(**arguments["segment"])
    mined = mine_segment_isolated(
        Path(arguments["path"]), Limits.of(context.settings), progress, recipe, segment, arguments["video"]
    )
    name = _shard(arguments)
    context.shards.write(name, _table(mined))
    try:
        progress("kept", 1, 1, "segments")  # a new stage is written at once, and says whether this is still wanted
    except Cancelled:
        context.shards.delete(name)
        raise
    return name


def read_all(context: StageContext, asked: SegmentedVideo) -> Iterator[MinedVideo]:
    """Read what the segments gave, one after the other."""
    for segment in asked.segments:
        yield _mined(context.shards.read(asked.shard(segment)))


def clear(context: StageContext, video: str) -> None:
    """Remove the jobs and the shards of a video's segments: the jobs first, so that whoever still mines one stops."""
    ledger.forget_segments(context.connection, video)
    context.shards.delete_segments(video)


def _shard(arguments: dict[str, Any]) -> str:
    return f"segments/{queue.identity('segment', arguments)}/{arguments['video']}"


def _table(mined: MinedVideo) -> pa.Table:
    """Lay out a segment's shard: a row for each patch and each whole frame; the rest beside them, as JSON."""
    facts = {
        "video": asdict(mined.video),
        "patches": [asdict(patch) for patch in mined.patches],
        "tracks": [asdict(track) for track in mined.tracks],
        "frames": [index for index, _ in mined.frames],
        "report": mined.report,
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
    )
