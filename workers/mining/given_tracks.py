"""Patches of imported tracks, cut out of a video or of a series of pictures (sections 4.1 and 4.3).

The result has the form of a mined video's: squares of 96 pixels, pairs A, A', whole frames for stage 0, and a report.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from graph.errors import BadVideo, InvalidInput
from graph.records import IntraInstance, Patch, Progress, Role, Video, no_progress, patch_id
from training.pictures import LARGEST, read_picture
from workers.importing.sequences import Rectangle, TrackedBox
from workers.mining.decode import Clip
from workers.mining.pixels import Pixels, correlation, cut_out, jpeg, sized_for_context
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.mining.timeline import TrackPath, Window

Pair = tuple[TrackedBox, TrackedBox]  # A and A'
Box = tuple[int, int, int, int]
Cut = tuple[Patch, Pixels, bytes]  # a patch, its pixels, their JPEG


@dataclass(frozen=True, slots=True)
class GivenTracks:
    """The pairs of patches to cut out of one sequence."""

    id: str  # of the video
    name: str
    tool: str
    pairs: tuple[tuple[str, Pair], ...]  # the track, A and A' of each pair
    last: tuple[str, int]  # the track of the last box, and its frame
    first_frame: int  # number that the source gives frame 0, for messages
    left_out: Mapping[str, int] = field(default_factory=dict)


def cut_video(path: Path, limits: Limits, progress: Progress, given: GivenTracks, recipe: Mining) -> MinedVideo:
    """Cut the patches out of a video file.

    Raises:
        BadVideo: the video is unreadable, or it ends before a track does.
        InvalidInput: a box outside its picture.
    """
    cv2.setNumThreads(1)
    work = _Cutting(given, recipe)
    wanted = work.by_frame
    with Clip(path, limits, replace(recipe, full_rate=inf), progress=progress) as clip:  # every frame counts
        apart = max(recipe.frame_seconds, clip.expected / clip.fps / recipe.most_frames)
        for frame in clip.frames(progress):
            progress("cut", frame.index + 1, max(clip.expected, frame.index + 1), "frames")
            due = len(work.context) < recipe.most_frames and frame.time_s >= len(work.context) * apart
            if due or frame.index in wanted:
                work.add(frame.index, frame.time_s, frame.colour(), frame.view.pixel_aspect, due)
        track, last = given.last
        if last >= clip.decoded:
            raise BadVideo(
                f"Track {track} of {given.name} has a box in frame {last + given.first_frame}, beyond the end of "
                f"{path.name}: it has {clip.decoded} frames."
            )
        video = Video(
            given.id,
            given.name,
            float(f"{clip.fps:.6g}"),
            clip.width,
            clip.height,
            clip.decoded,
            round(clip.duration or clip.decoded / clip.fps, 3),
        )
        return work.result(video, clip.tally.facts())


def cut_pictures(
    pictures: Mapping[int, Path], given: GivenTracks, recipe: Mining, limits: Limits, progress: Progress = no_progress
) -> MinedVideo:
    """Cut the patches out of pictures, by their frame.

    Raises `InvalidInput` for a picture that cannot be read or is too large, a frame without a picture, and a box
    outside its picture.
    """
    cv2.setNumThreads(1)
    track, last = given.last
    if last not in pictures and last > max(pictures):
        raise InvalidInput(
            f"Track {track} of {given.name} has a box in frame {last + given.first_frame}, beyond the last picture: "
            f"{pictures[max(pictures)].name}."
        )
    work = _Cutting(given, recipe)
    if missing := sorted(set(work.by_frame) - set(pictures)):
        raise InvalidInput(f"Frame {missing[0] + given.first_frame} of {given.name} has a box but no picture.")
    frames = sorted(pictures)
    kept = {frames[place] for place in np.linspace(0, len(frames) - 1, recipe.most_frames).astype(int)}
    sizes: Counter[str] = Counter()
    width = height = 0
    for done, frame in enumerate(frames):
        progress("cut", done, len(frames), "pictures")
        if frame not in work.by_frame and frame not in kept:
            continue
        pixels = _read(pictures[frame], limits)
        height, width = pixels.shape[:2]
        sizes[f"{width}×{height}"] += 1
        work.add(frame, 0.0, pixels, 1.0, frame in kept)
    video = Video(given.id, given.name, width=width, height=height, frames=len(frames))
    return work.result(video, {"sizes": dict(sorted(sizes.items())), "unusable_frames": {}})


def _read(path: Path, limits: Limits) -> Pixels:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).") from None
    pixels = np.asarray(read_picture(path.name, data))
    if pixels.shape[0] * pixels.shape[1] > min(limits.max_pixels, LARGEST):
        raise InvalidInput(f"{path.name} has more than {limits.max_pixels} pixels. Raise TRANSITIVE_MAX_PIXELS.")
    return pixels


class _Cutting:
    """Collector of the patches of one sequence, whose frames are passed to it in their order."""

    def __init__(self, given: GivenTracks, recipe: Mining) -> None:
        self.given, self.recipe = given, recipe
        self.by_frame: dict[int, list[tuple[int, Role, TrackedBox]]] = defaultdict(list)
        for number, (_, (start, end)) in enumerate(given.pairs):
            self.by_frame[start.frame].append((number, "start", start))
            self.by_frame[end.frame].append((number, "end", end))
        self.context: list[tuple[int, bytes]] = []
        self._cut: dict[tuple[int, Role], Cut] = {}

    def add(self, frame: int, time_s: float, picture: Pixels, pixel_aspect: float, keep: bool) -> None:
        """Cut the patches of one frame; `keep` its whole picture for stage 0."""
        if keep:
            self.context.append((frame, jpeg(sized_for_context(picture, pixel_aspect))))
        for number, role, one in self.by_frame.get(frame, ()):
            box = square_around(one, picture.shape[1], picture.shape[0], pixel_aspect)
            if box is None:
                raise InvalidInput(
                    f"Track {self.given.pairs[number][0]} of {self.given.name} has a box outside its picture in frame "
                    f"{frame + self.given.first_frame}: {one.box} in {picture.shape[1]}×{picture.shape[0]} pixels."
                )
            pixels = cut_out(picture, box, self.recipe.patch)
            patch = Patch(patch_id(self.given.id, frame, *box), self.given.id, frame, round(time_s, 6), *box, role)
            self._cut[number, role] = patch, pixels, jpeg(pixels)

    def _pairs(self, refused: Counter[str]) -> Iterator[tuple[Pair, Cut, Cut, float]]:
        """Yield the pairs that are kept with the correlation of their pixels, and count the others in `refused`.

        A start may have several ends in its own track. Otherwise a box is in one pair.
        """
        starts: dict[str, str] = {}  # the track by the patch
        ends: set[str] = set()
        for number, (track, pair) in enumerate(self.given.pairs):
            start, end = self._cut.get((number, "start")), self._cut.get((number, "end"))
            if start is None or end is None:
                refused["damaged frame"] += 1
                continue
            likeness = correlation(start[1], end[1])
            a, b = start[0].id, end[0].id
            if likeness >= self.recipe.same_picture and not self.recipe.keep_same:
                refused["same picture"] += 1
            elif a == b or a in ends or b in ends or b in starts or starts.get(a, track) != track:
                refused["same box twice"] += 1
            else:
                starts[a] = track
                ends.add(b)
                yield pair, start, end, likeness

    def result(self, video: Video, facts: Mapping[str, Any]) -> MinedVideo:
        """Collect the patches and tracks."""
        refused: Counter[str] = Counter()
        kept: dict[str, tuple[Patch, bytes]] = {}  # by id, because ends may share their start
        tracks: list[IntraInstance] = []
        windows: list[Window] = []
        for (a, b), start, end, likeness in self._pairs(refused):
            ends = [start[0], end[0]]
            path = TrackPath(ends[0].id, [p.time_s for p in ends], [[p.x, p.y, p.w, p.h] for p in ends])
            windows.append(Window(ends[0].time_s, ends[1].time_s, "", [], [path]))
            kept |= {patch.id: (patch, picture) for patch, _, picture in (start, end)}
            same = likeness >= self.recipe.same_picture
            trust = {
                "score_start": a.confidence,
                "score_end": b.confidence,
                "first_last_correlation": likeness,
                "same_picture": float(same),
            }
            tracks.append(
                IntraInstance(
                    start[0].id,
                    end[0].id,
                    b.frame - a.frame,
                    round(min(a.confidence, b.confidence), 4),
                    {name: round(float(value), 4) for name, value in trust.items()},
                    origin="imported",
                )
            )
        report = {
            "frames": video.frames,
            "tracks": len(tracks),
            "left_out": dict(sorted(self.given.left_out.items())),
            "refused_tracks": dict(sorted(refused.items())),
            **facts,
        }
        notes = [f"{count:,} {what} left out." for what, count in report["left_out"].items()]
        notes += [f"{count:,} pairs left out: {reason}." for reason, count in report["refused_tracks"].items()]
        origin = replace(video, origin="imported", tool=self.given.tool)
        # a series of pictures has no times
        timeline = sorted(windows, key=lambda window: window.start_s) if video.fps else []
        patches, jpegs = [patch for patch, _ in kept.values()], [picture for _, picture in kept.values()]
        return MinedVideo(origin, patches, jpegs, tracks, self.context, {**report, "notes": notes}, timeline)


def square_around(one: TrackedBox, width: int, height: int, pixel_aspect: float = 1.0) -> Box | None:
    """Return the crop around a box, shifted into the picture; None if the box is outside the picture.

    The crop is a square in displayed pixels. Its side is the box's longer side, and at most the picture's shorter
    side. Without a box, the crop is the middle of the picture. A crop of an export is a square already, to the rounding
    of its sides to pixels that are not square themselves, and stays as it is.
    """
    shown = width * pixel_aspect
    if one.box is None:
        middle, side = (shown / 2, height / 2), min(shown, height)
    else:
        x, y, w, h = one.box
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            return None
        if _is_crop(one.box, width, height, pixel_aspect):
            return int(x), int(y), int(w), int(h)
        middle = ((x + w / 2) * pixel_aspect, y + h / 2)
        side = min(max(w * pixel_aspect, h, 1.0), shown, height)
    across, down = max(1, round(side / pixel_aspect)), max(1, round(side))
    left = min(max(round((middle[0] - side / 2) / pixel_aspect), 0), width - across)
    top = min(max(round(middle[1] - side / 2), 0), height - down)
    return left, top, across, down


def _is_crop(box: Rectangle, width: int, height: int, pixel_aspect: float) -> bool:
    """Return whether a box lies on whole pixels inside the picture and its displayed sides differ by rounding only."""
    x, y, w, h = box
    inside = x >= 0 and y >= 0 and x + w <= width and y + h <= height
    rounding = (pixel_aspect + 1) / 2  # half a pixel of each side
    return inside and all(value % 1 == 0 for value in box) and abs(w * pixel_aspect - h) < rounding
