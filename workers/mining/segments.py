"""A video file in; segments from key frame to key frame, which are mined one by one, out; and what they gave joined.

A long video is cut by its bytes and one number alone, and every segment begins with a decoder of its own. So whoever
mines them, in which order and how often, together they give the same; no window crosses the end of a segment.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from graph.errors import BadVideo
from graph.records import IntraInstance, Patch, Progress, Video, no_progress
from workers.mining.decode import WHOLE, Clip, Segment
from workers.mining.recipe import Limits, Mining


@dataclass(frozen=True)
class MinedVideo:
    """What one video, or one segment of it, gave.

    `jpegs` (96×96 RGB) stand in the order of `patches`; `frames` are (index, JPEG).
    """

    video: Video
    patches: list[Patch]
    jpegs: list[bytes]
    tracks: list[IntraInstance]
    frames: list[tuple[int, bytes]]
    report: dict[str, Any]


def cut_into_segments(
    path: Path, limits: Limits, progress: Progress = no_progress, recipe: Mining | None = None
) -> list[Segment]:
    """Cut at the first key frame that is `recipe.segment` frames or more behind the last cut. Nothing is decoded.

    One segment is the whole of a short video, and of one whose packets carry no times or that cannot be sought in.
    Raises `BadVideo` when the file cannot be a video.
    """
    recipe = recipe or Mining()
    with Clip(path, limits, recipe) as clip:
        if clip.expected <= _LAST * recipe.segment:
            return [WHOLE]
        progress("cut", 0, clip.expected, "frames")
        packets = clip.packets()
        times = sorted(time for time, _ in packets if time is not None)
        if not times or len(set(times)) < len(packets):
            return [WHOLE]
        keys = {time for time, is_key in packets if is_key}
        cuts = [0]
        for place, time in enumerate(times):
            far = place - cuts[-1] >= recipe.segment and len(times) - place >= (_LAST - 1) * recipe.segment
            if far and time in keys and clip.begins_at(time):
                cuts.append(place)
    begins = [None, *(times[place] for place in cuts[1:])]
    ends = [*begins[1:], None]
    return [Segment(n, *facts) for n, facts in enumerate(zip(cuts, begins, ends, strict=True))]


_LAST = 1.5  # segments; the last one takes what would be less than half of one


def joined(parts: Iterable[MinedVideo], recipe: Mining) -> MinedVideo:
    """Put what the segments of one video gave together, in their order.

    Raises:
        BadVideo: the video is a still picture, or shorter than a track.
    """
    whole = reduce(added, until_size_changes(parts))
    check_length(whole.video, whole.report, recipe)
    return whole


def until_size_changes(parts: Iterable[MinedVideo]) -> Iterator[MinedVideo]:
    """Give the segments that are as large as the first: what follows another picture size is another video."""
    size: tuple[int, int] | None = None
    for part in parts:
        size = size or (part.video.width, part.video.height)
        if (part.video.width, part.video.height) != size:
            return
        yield part


def added(whole: MinedVideo, part: MinedVideo) -> MinedVideo:
    """Add the next segment to those before it."""
    frames = whole.video.frames + part.video.frames
    duration = max(whole.video.duration_s, part.video.duration_s)
    return MinedVideo(
        replace(whole.video, frames=frames, duration_s=duration),
        whole.patches + part.patches,
        whole.jpegs + part.jpegs,
        whole.tracks + part.tracks,
        whole.frames + part.frames,
        _added_report(whole.report, part.report),
    )


def _added_report(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Add up the counts."""
    added = dict(first)
    for name, value in first.items():
        if isinstance(value, dict):
            added[name] = dict(sorted((Counter(value) + Counter(second[name])).items()))
        elif name not in ("fps", "every"):
            added[name] = value + second[name]
    return added


def check_length(video: Video, report: dict[str, Any], recipe: Mining) -> None:
    """Raise `BadVideo` when a video has too few frames for one track."""
    if video.frames == 1:
        raise BadVideo(f"{video.name} is a still picture: one frame.")
    if report["taken"] <= recipe.track_length:
        needed = recipe.track_length * report["every"] + 1
        raise BadVideo(f"{video.name} is shorter than a track: {video.frames} frames, {needed} are needed.")
