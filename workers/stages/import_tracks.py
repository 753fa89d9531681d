"""The import stage: writes tracks of another tool with their patches and trust, in the form of mined ones."""

from pathlib import Path

from graph import jobs, videos
from graph.errors import BadVideo, InvalidInput
from graph.records import Progress, Video
from workers.importing.find import read_sequence
from workers.importing.sequences import (
    EXPORTS,
    FIRST_FRAME,
    TOOL,
    TrackedSequence,
    choose_pairs,
    exported_pairs,
    identify,
)
from workers.mining.given_tracks import GivenTracks, cut_pictures
from workers.mining.isolated import cut_tracks_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.video import video_id
from workers.requests import ImportRequest
from workers.stage_context import StageContext
from workers.stages.ingest import check_disk, is_ready, store


def import_tracks(context: StageContext, request: ImportRequest, progress: Progress) -> str:
    """Cut the pairs out of one sequence and store them; returns the id of its video.

    A sequence that is in the graph already is left unchanged. If its media cannot be used, a failed video with the
    reason is written, as by `ingest`.
    """
    media = Path(request.media) if request.media else None
    sequence = read_sequence(request.format, Path(request.path), media, request.name)
    if identify_sequence(sequence) != request.video:
        raise InvalidInput(f"{request.name} changed while it waited. Run the same command again.")
    if is_ready(context, request.video):
        return request.video
    check_disk(context)
    recipe, limits = Mining.of(context.settings, {}), Limits.of(context.settings)
    given = given_tracks(sequence, request, recipe.stride)
    try:
        if sequence.video is None:
            cut = cut_pictures(sequence.pictures, given, recipe, limits, progress)
        else:
            cut = cut_tracks_isolated(sequence.video, limits, progress, given, recipe)
        store(context, lambda: iter([cut]), request.name, progress)
    except (BadVideo, InvalidInput) as error:
        failed = Video(request.video, request.name, status="failed", reason=str(error), ingested_at=jobs.now())
        videos.write_video(context.connection, failed, [], [])
        raise
    return request.video


def identify_sequence(sequence: TrackedSequence) -> str:
    """Return the id of a sequence's video; raises `InvalidInput` if the media cannot be read."""
    try:
        return identify(sequence, video_id(sequence.video) if sequence.video else "")
    except OSError as error:
        raise InvalidInput(f"{sequence.video} cannot be read ({error.strerror}).") from None


def given_tracks(sequence: TrackedSequence, request: ImportRequest, stride: int) -> GivenTracks:
    """Choose the pairs of every track; raises `InvalidInput` if all tracks have one frame.

    An object has fewer views than a video has frames, so any view may be a start. An export names the pairs itself.
    """
    every = 1 if sequence.format == "pictures" else stride
    pairs = []
    left_out = dict(sequence.left_out)
    for name, boxes in sorted(sequence.tracks.items()):
        if len(boxes) < 2:
            left_out["tracks of one frame"] = left_out.get("tracks of one frame", 0) + 1
        if sequence.format in EXPORTS:
            chosen = exported_pairs(boxes, request.track_length)
        else:
            chosen = choose_pairs(boxes, request.track_length, every)
        pairs += [(name, pair) for pair in chosen]
    if not pairs:
        raise InvalidInput(
            f"{request.name} gives no pair: no track has two boxes at most {request.track_length} frames apart."
        )
    last = max(((boxes[-1].frame, name) for name, boxes in sequence.tracks.items()))
    tool = request.tool or TOOL[sequence.format]
    first = FIRST_FRAME[sequence.format]
    return GivenTracks(request.video, request.name, tool, tuple(pairs), (last[1], last[0]), first, left_out)
