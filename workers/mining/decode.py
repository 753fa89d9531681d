"""Decoding of a video into frames, each with luma of half the working size.

Decoding limits the speed of mining. The scaled luma of every frame is computed; colours only at the ends of tracks.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from graph.errors import BadVideo
from graph.records import Progress, no_progress
from workers.mining.clock import Clock
from workers.mining.container import VideoFile, streams_left_out
from workers.mining.damage import DamageFinder
from workers.mining.deinterlace import Deinterlacer
from workers.mining.recipe import Limits, Mining
from workers.mining.survey import WHOLE, Segment, fraction, survey, too_long
from workers.mining.view import Luma, View, view_of

Break = Literal["", "damage", "time", "size"]

_LEAST_SIDE = 64  # pixels; a crop of a smaller frame is blurred at 96×96
_MOST_ASPECT = 4.5  # with a larger aspect ratio, a square of 227 is higher than the working frame
_TELL = 32  # frames between two reports of progress


@dataclass(frozen=True, slots=True)
class Count:
    """A file's number of frames, size in pixels, rate, and stride of the frames read, from its packets."""

    frames: int
    width: int
    height: int
    fps: float
    every: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `index` counts the video's own frames; `luma` is upright and half of the working size."""

    index: int
    time_s: float
    luma: Luma
    picture: VideoFrame | None  # None if the colour is not needed
    view: View
    scales: tuple[float, float]  # luma pixels per pixel of the video, horizontally and vertically
    begins_shot: Break  # why a new shot begins with this frame; empty if the previous shot continues
    converter: VideoReformatter

    def colour(self) -> NDArray[np.uint8]:
        """Convert the whole picture to upright (height, width, 3) RGB, in the video's own pixels."""
        if self.picture is None:
            raise ValueError(f"the picture of frame {self.index} was released")
        return self.view.colour(self.picture, self.converter)

    def without_picture(self) -> "Frame":
        """Release the picture, which takes most of the memory."""
        f = self  # dataclasses.replace takes ten times as long
        return Frame(f.index, f.time_s, f.luma, None, f.view, f.scales, f.begins_shot, f.converter)


@dataclass(slots=True)
class Tally:
    """Counts of decoding, for the report."""

    damaged_frames: int = 0  # damaged, or referring to damaged ones
    damaged_packets: int = 0  # that could not be decoded
    sizes: Counter[str] = field(default_factory=Counter)  # frames of each size that can be mined
    unusable: Counter[str] = field(default_factory=Counter)  # frames that cannot, by the reason
    breaks: Counter[str] = field(default_factory=Counter)  # ends of shots by their reason
    converted: Counter[str] = field(default_factory=Counter)  # frames by what was done to show them as players do

    def facts(self) -> dict[str, Any]:
        """Return the counts as part of a video's report."""
        return {
            "damaged_packets": self.damaged_packets,
            "damaged_frames": self.damaged_frames,
            "sizes": dict(sorted(self.sizes.items())),
            "unusable_frames": dict(sorted(self.unusable.items())),
            "shots_ended": dict(sorted(self.breaks.items())),
            "converted": dict(sorted(self.converted.items())),
        }


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a decoded picture in its video."""

    index: int
    time_s: float
    begins_shot: Break


class Clip:
    """An open video. Raises `BadVideo` with a reason when the file cannot be one."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        recipe: Mining,
        scale: float = 0.0,
        segment: Segment = WHOLE,
        progress: Progress = no_progress,
    ) -> None:
        """Open `path`, and survey it if `segment` was not; lumas get `scale`, or half of the working size."""
        if segment.stream < 0:
            found = survey(path, limits, progress)
            segment = replace(segment, stream=found.stream, fps=found.fps, frames=found.packets.count)
        self._limits = limits
        self._recipe = recipe
        self._scale = scale
        self.segment = segment
        self.path = path
        self.decoded = 0  # frames of the segment
        self.tally = Tally()
        self.view: View | None = None  # of the first frame that was given
        self.scales = (scale, scale)
        self.fps = segment.fps
        self.every = max(1, round(self.fps / 30)) if self.fps > recipe.full_rate else 1
        self.expected = segment.frames
        self._file = VideoFile(path, hardware=True)
        self._stream = next(s for s in self._file.container.streams.video if s.index == segment.stream)
        self._coded_aspect = self._stream.codec_context.sample_aspect_ratio
        self._stream.thread_count = 1  # one core per video; several videos use several cores
        self.left_out = streams_left_out(self._file.container, segment.stream)
        unit = fraction(self._stream.time_base)
        self.duration = float(self._stream.duration * unit) if self._stream.duration and unit else 0.0  # seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def width(self) -> int:
        """Width of the upright picture in the video's own pixels; as coded, before the first frame."""
        return self.view.width if self.view else int(self._stream.codec_context.width)

    @property
    def height(self) -> int:
        """Height of the upright picture in the video's own pixels; as coded, before the first frame."""
        return self.view.height if self.view else int(self._stream.codec_context.height)

    def begins_at(self, time: int) -> bool:
        """Return whether seeking to the key frame with this time finds it."""
        try:
            self._file.container.seek(time, stream=self._stream)
            return next(packet.pts for packet in self._file.container.demux(self._stream)) == time
        except (av.FFmpegError, StopIteration):
            return False

    def frames(self, progress: Progress = no_progress) -> Iterator[Frame]:
        """Yield every frame of the segment that can be mined, or every second and so on above 40 frames a second.

        Damaged frames, and those of a size that cannot be mined, are counted in `tally` and left out.

        Raises:
            BadVideo: nothing could be decoded, or the video is longer than allowed.
        """
        converter = VideoReformatter()
        view: View | None = None
        scales, refusal = self.scales, ""
        size = ""
        conversions: tuple[str, ...] = ()
        pending: Break = ""
        for picture, place in self._deinterlaced():
            pending = place.begins_shot or pending
            if place.index % _TELL == 0:
                progress("mine", place.index, max(self.expected, place.index), "frames")
            if view is None or picture.key_frame or (picture.width, picture.height) != view.stored:
                now = view_of(picture, self._sample_aspect())
                if now != view:
                    pending = "size" if view is not None else pending
                    view, refusal = now, self._refusal(now)
                    scales = now.scales(self._scale, self._recipe.working_area)
                    size, conversions = f"{view.width}×{view.height}", view.conversions()
            if refusal:
                self.tally.unusable[refusal] += 1
                continue
            if self.view is None:
                self.view, self.scales = view, scales
                pending = ""
            self.tally.sizes[size] += 1
            self.tally.converted.update(conversions)
            if place.index % self.every:
                continue
            if pending:
                self.tally.breaks[pending] += 1
            luma = view.luma(picture, scales)
            yield Frame(place.index, place.time_s, luma, picture, view, scales, pending, converter)
            pending = ""
        if not self.decoded and self.segment.number == 0:
            raise BadVideo(f"{self.path.name} holds no frame that can be decoded: it is damaged or cut off.")

    def _deinterlaced(self) -> Iterator[tuple[VideoFrame, _Place]]:
        """Yield the undamaged pictures; those flagged as interlaced are deinterlaced."""
        filtering = Deinterlacer[_Place]()
        for picture, place in self._whole():
            if place.begins_shot:
                yield from filtering.flush()
            yield from filtering.push(picture, place)
        yield from filtering.flush()
        if filtering.flagged:
            self.tally.converted["deinterlaced"] += filtering.flagged

    def _whole(self) -> Iterator[tuple[VideoFrame, _Place]]:
        """Yield the pictures of the segment that are not damaged, with their place in the video."""
        coded = self._stream.codec_context
        finder = DamageFinder(coded.name, coded.extradata)
        begins, ends = self.segment.begins, self.segment.ends
        invented = self._file.container.format.name == "avi"
        clock = Clock(fraction(self._stream.time_base), self._stream.start_time, self.fps, invented)
        pending: Break = ""
        breaks = 0
        size: tuple[int, int] | None = None
        for picture, damaged in finder.judged(self._packets(), begins):
            if ends is not None and picture.pts is not None and picture.pts >= ends:
                break
            index, self.decoded = self.segment.first + self.decoded, self.decoded + 1
            if index >= self._limits.max_frames:
                raise BadVideo(too_long(self.path, self._limits))
            time_s, jumped = clock.tick(picture.pts, picture.dts)
            if damaged or finder.breaks != breaks:
                breaks, pending = finder.breaks, "damage"
            elif jumped and not pending:
                pending = "time"
            if damaged:
                self.tally.damaged_frames += 1
                continue
            if size != (picture.width, picture.height):
                pending = pending or ("size" if size else "")
                size = (picture.width, picture.height)
            yield picture, _Place(index, time_s, pending)
            pending = ""
        self.tally.damaged_packets = finder.lost_packets(begins, ends)

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        if self.segment.begins is not None:
            self._file.container.seek(self.segment.begins, stream=self._stream)
        return self._file.container.demux(self._stream)

    def _sample_aspect(self) -> Fraction | None:
        """Return the pixel aspect ratio: the container's, until the ratio of the coded pictures changes."""
        coded = self._stream.codec_context.sample_aspect_ratio
        return fraction(coded if coded != self._coded_aspect else self._stream.sample_aspect_ratio)

    def _refusal(self, view: View) -> str:
        """Return why pictures of this size cannot be mined; empty if they can."""
        width, height, shown = view.width, view.height, view.shown_width
        if width * height > self._limits.max_pixels:
            return f"{width}×{height} pixels, more than the {self._limits.max_pixels} allowed"
        if min(width, height) < _LEAST_SIDE:
            return f"{width}×{height} pixels; the shorter side must have {_LEAST_SIDE}"
        if max(shown, height) > _MOST_ASPECT * min(shown, height):
            return f"{width}×{height} pixels: too narrow to hold a square of an object"
        return ""


def count_frames(path: Path, limits: Limits, progress: Progress = no_progress) -> Count:
    """Count a file's frames without decoding; raises `BadVideo` when it cannot be a video."""
    with Clip(path, limits, Mining(), progress=progress) as clip:
        return Count(clip.segment.frames, clip.width, clip.height, clip.fps, clip.every)
