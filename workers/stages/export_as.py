"""Export of patches and tracks in the format of another tool, into a new folder."""

import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from graph.errors import NotFound, StorageError
from graph.exchange.coco import write_coco
from graph.exchange.fiftyone import write_fiftyone
from graph.exchange.mot import write_mot
from graph.exchange.objects import VideoObjects, every_video
from graph.exchange.parquet import write_parquet
from graph.records import Progress
from graph.videos import video_ids_with_tracks
from workers.stage_context import StageContext


class ExportFormat(StrEnum):
    """The formats."""

    FIFTYONE = "fiftyone"
    COCO = "coco"
    MOT = "mot"
    PARQUET = "parquet"


def export_as(context: StageContext, kind: ExportFormat, folder: Path, progress: Progress) -> dict[str, int]:
    """Write the new folder `folder` completely or not at all; returns the counts of what was written.

    Raises `NotFound` if no video has a track, and `StorageError`.
    """
    total = len(video_ids_with_tracks(context.connection))
    if not total:
        raise NotFound("There are no tracks to export. Ingest videos in which something moves.")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        counts = _write(context, kind, partial, _counted(context, total, progress))
        partial.rename(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise StorageError(f"{folder} could not be written: {error.strerror}. Free some space.") from error
        raise
    return counts


def _write(context: StageContext, kind: ExportFormat, folder: Path, videos: Iterator[VideoObjects]) -> dict[str, int]:
    match kind:
        case ExportFormat.FIFTYONE:
            return write_fiftyone(videos, context.shards, folder)
        case ExportFormat.COCO:
            return write_coco(videos, folder / "tracks.json")
        case ExportFormat.MOT:
            return write_mot(videos, folder)
        case ExportFormat.PARQUET:
            return write_parquet(context.connection, videos, context.shards, folder)


def _counted(context: StageContext, total: int, progress: Progress) -> Iterator[VideoObjects]:
    for done, one in enumerate(every_video(context.connection)):
        progress("exporting", done, total, "videos")
        yield one
    progress("exporting", total, total, "videos")
