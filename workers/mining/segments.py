"""Segments of a long video, from key frame to key frame, and the joining of their results.

The cuts depend only on the file's bytes and `recipe.segment`, and each segment is mined by its own decoder. So the
result does not depend on which worker mines a segment, or on the order. No window crosses the end of a segment.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from graph.errors import BadVideo
from graph.records import IntraInstance, Patch, Progress, Video, no_progress
from workers.mining.decode import Clip
from workers.mining.recipe import Limits, Mining
from workers.mining.report import described
from workers.mining.survey import Segment, survey
from workers.mining.timeline import Window


@dataclass(frozen=True)
class MinedVideo:
    """The result of mining one video, or one segment of it.

    `jpegs` (96×96 RGB) stand in the order of `patches`; `frames` are (index, JPEG).
    """

    video: Video
    patches: list[Patch]
    jpegs: list[bytes]
    tracks: list[IntraInstance]
    frames: list[tuple[int, bytes]]
    report: dict[str, Any]
    timeline: list[Window]


def cut_into_segments(
    path: Path, limits: Limits, progress: Progress = no_progress, recipe: Mining | None = None
) -> list[Segment]:
    """Cut at the first key frame that is `recipe.segment` frames or more behind the last cut. Nothing is decoded.

    A short video is one segment, and so is one whose packets have no times, whose clock jumps back, or that cannot be
    seeked.

    Raises:
        BadVideo: the file cannot be a video.
    """
    recipe = recipe or Mining()
    found = survey(path, limits, progress)
    whole = Segment(stream=found.stream, fps=found.fps, frames=found.packets.count)
    if whole.frames <= _LAST * recipe.segment:
        return [whole]
    times = sorted(found.packets.times)
    keys = [time for time, is_key in zip(found.packets.times, found.packets.keys, strict=True) if is_key]
    if not times or len(set(times)) < whole.frames or keys != sorted(keys):
        return [whole]
    at_key = set(keys)
    cuts = [0]
    with Clip(path, limits, recipe, segment=whole) as clip:
        for place, time in enumerate(times):
            far = place - cuts[-1] >= recipe.segment and len(times) - place >= (_LAST - 1) * recipe.segment
            if far and time in at_key and clip.begins_at(time):
                cuts.append(place)
    begins = [None, *(times[place] for place in cuts[1:])]
    ends = [*begins[1:], None]
    pieces = zip(cuts, begins, ends, strict=True)
    return [
        replace(whole, number=number, first=first, begins=begin, ends=end)
        for number, (first, begin, end) in enumerate(pieces)
    ]


_LAST = 1.5  # maximum length of the last segment, in segments: a remainder of less than half a segment is added to it


def joined(parts: Iterable[MinedVideo], recipe: Mining) -> MinedVideo:
    """Join the results of the segments of one video, in their order.

    Raises:
        BadVideo: the video is a still picture, or shorter than a track.
    """
    whole = reduce(added, parts)
    check_length(whole.video, whole.report, recipe)
    return whole


def added(whole: MinedVideo, part: MinedVideo) -> MinedVideo:
    """Add the next segment to those before it; the video's size is that of the first segment with a size."""
    sized = (whole if whole.report["sizes"] else part).video
    frames = whole.video.frames + part.video.frames
    duration = max(whole.video.duration_s, part.video.duration_s)
    return MinedVideo(
        replace(whole.video, frames=frames, duration_s=duration, width=sized.width, height=sized.height),
        whole.patches + part.patches,
        whole.jpegs + part.jpegs,
        whole.tracks + part.tracks,
        whole.frames + part.frames,
        _added_report(whole.report, part.report),
        whole.timeline + part.timeline,
    )


def _added_report(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Add the counts of two segments; facts about the whole video are equal in both."""
    added = dict(first)
    for name, value in first.items():
        if isinstance(value, dict):
            added[name] = dict(sorted((Counter(value) + Counter(second[name])).items()))
        elif isinstance(value, int) and name != "every":
            added[name] = value + second[name]
    return described(added)


def check_length(video: Video, report: dict[str, Any], recipe: Mining) -> None:
    """Raise `BadVideo` when a video is too short, or none of its frames can be mined."""
    if video.frames == 1:
        raise BadVideo(f"{video.name} is a still picture: one frame.")
    check_frames(video, report)
    needed = recipe.track_length * report["every"] + 1
    if video.frames < needed:
        raise BadVideo(f"{video.name} is shorter than a track: {video.frames} frames, {needed} are needed.")


def check_frames(video: Video, report: dict[str, Any]) -> None:
    """Raise `BadVideo` when no frame of a video can be mined, because of its size or of damage."""
    if report["sizes"]:
        return
    unusable = report["unusable_frames"]
    if unusable:
        raise BadVideo(f"{video.name} has {max(unusable, key=unusable.__getitem__)}.")
    if report["damaged_frames"]:
        raise BadVideo(
            f"{video.name} has no undamaged frame: each of its {video.frames:,} frames is damaged or refers to a "
            "damaged one. Copy or download it again."
        )
