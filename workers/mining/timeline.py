"""The time line of a video: every window, the reason if it was refused, and the path of each kept track."""

from collections.abc import Sequence
from dataclasses import dataclass

from graph.records import patch_id
from workers.mining.decode import Frame
from workers.mining.recipe import Mining
from workers.mining.tracks import Track, looked_at

TOO_SHORT = "shot shorter than a track"


@dataclass(frozen=True, slots=True)
class TrackPath:
    """The box of one kept track in every frame to which the filter was applied."""

    start_id: str  # patch id of A
    times_s: list[float]
    boxes: list[list[int]]  # x, y, w, h in the video's own pixels, one for each time


@dataclass(frozen=True, slots=True)
class Window:
    """One window of `track_length` frames, or a shot too short to hold one."""

    start_s: float
    end_s: float
    reason: str  # why nothing was tracked; "" if boxes were tracked
    refused: list[str]  # the reason of each box whose track was refused
    paths: list[TrackPath]


def describe_window(
    video: str, frames: Sequence[Frame], reason: str, judged: Sequence[Sequence[Track | str]], recipe: Mining
) -> Window:
    """Describe a window of `video` by its frames and by the outcome of its boxes.

    `judged` holds the tracks of each box, the shortest first; the path is that of the longest kept track.
    """
    kept = [[track for track in tracks if isinstance(track, Track)] for tracks in judged]
    refusals = [[track for track in tracks if isinstance(track, str)] for tracks in judged]
    return Window(
        round(frames[0].time_s, 3),
        round(frames[min(recipe.track_length, len(frames) - 1)].time_s, 3),
        reason,
        [why[0] for tracks, why in zip(kept, refusals, strict=True) if not tracks],
        [_path(video, frames, tracks[-1], recipe) for tracks in kept if tracks],
    )


def _path(video: str, frames: Sequence[Frame], track: Track, recipe: Mining) -> TrackPath:
    """Move the first crop as the core moved."""
    left, top, side = track.crop
    seen = [frames[number] for number in looked_at(track.length, recipe)]
    moved = [(left + x, top + y, side) for x, y in (track.centres - track.centres[0]).tolist()]
    boxes = [own_pixels(frame, crop) for frame, crop in zip(seen, moved, strict=True)]
    start = patch_id(video, seen[0].index, *boxes[0])
    return TrackPath(start, [round(frame.time_s, 3) for frame in seen], [list(box) for box in boxes])


def own_pixels(frame: Frame, crop: tuple[float, float, float]) -> tuple[int, int, int, int]:
    """Turn a crop in luma pixels into x, y, w, h of the video's own pixels, inside the frame.

    The crop is a square in displayed pixels, so the box is not square if the video's pixels are not square.
    """
    across, down = frame.scales
    width, height = frame.view.width, frame.view.height
    side = min(crop[2], width * across, height * down)
    w, h = round(side / across), round(side / down)
    x = min(max(round(crop[0] / across), 0), width - w)
    y = min(max(round(crop[1] / down), 0), height - h)
    return x, y, w, h
