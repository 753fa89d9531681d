"""A video file in; its frames out, one by one, as half-size luma, with the picture kept for those who need colour.

Decoding is the limit of mining, so only luma is scaled for every frame; colour is converted for the ends of tracks.
"""

import errno
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.codec.hwaccel import HWAccel
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from graph.errors import BadVideo
from graph.records import Progress, no_progress
from workers.mining.recipe import Limits, Mining

Luma = NDArray[np.uint8]

NVIDIA = Path("/dev/nvidiactl")  # there where a device and its driver are
_PLANAR_LUMA = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"}
_LEAST_SIDE = 64  # pixels; a crop of a smaller frame is a smear at 96×96
_MOST_ASPECT = 4.5  # above it a square of 227 is higher than the working frame


@dataclass(frozen=True, slots=True)
class Count:
    """What a file's packets say without decoding: its frames, size in pixels, rate, and one in how many is taken."""

    frames: int
    width: int
    height: int
    fps: float
    every: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a video from key frame to key frame."""

    number: int
    first: int  # index of its first frame
    begins: int | None  # time of its key frame, in the stream's own unit; None: where the video begins
    ends: int | None  # time of the next one's key frame; None: where the video ends


WHOLE = Segment(0, 0, None, None)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `index` counts the video's own frames; `luma` is upright and half of the working size."""

    index: int
    time_s: float
    luma: Luma
    picture: VideoFrame | None  # None where colour will not be asked for
    rotation: int  # quarter turns, counter-clockwise, that make the picture upright
    broken_before: bool  # damaged data lies between this frame and the one before
    converter: VideoReformatter

    def colour(self) -> NDArray[np.uint8]:
        """Convert the whole picture to upright (height, width, 3) RGB."""
        if self.picture is None:
            raise ValueError(f"the picture of frame {self.index} was let go")
        picture = self.picture
        if picture.format.name == "nv12":  # NVDEC's; brought to what other decoders give, so that pixels are the same
            picture = self.converter.reformat(picture, format="yuv420p", threads=1)
        rgb = self.converter.reformat(picture, format="rgb24", threads=1).to_ndarray()
        return np.rot90(np.asarray(rgb, np.uint8), self.rotation)

    def without_picture(self) -> "Frame":
        """Let go of the picture, which takes most of the memory."""
        return replace(self, picture=None)


class Clip:
    """An open video. Raises `BadVideo` with a reason when the file cannot be one."""

    def __init__(
        self, path: Path, limits: Limits, recipe: Mining, scale: float = 0.0, segment: Segment = WHOLE
    ) -> None:
        """Open `path` and read what its headers say; lumas get `scale`, or half of the working size."""
        self._limits = limits
        self._recipe = recipe
        self.segment = segment
        self.path = path
        self.damaged = 0  # packets that could not be decoded
        self.decoded = 0  # frames of the segment
        if not path.is_file():
            raise BadVideo(f"{path} is not there. Check the name.")
        if path.stat().st_size == 0:
            raise BadVideo(f"{path.name} is empty: 0 bytes.")
        try:
            self._container = _open(path)
        except (av.FFmpegError, ValueError) as error:
            raise BadVideo(f"{path.name} is no video that can be read: {_cause(error)}.") from None
        streams = [s for s in self._container.streams.video if not _is_cover(s)]
        if not streams:
            self._container.close()
            raise BadVideo(f"{path.name} holds no moving pictures, only sound or data.")
        self._stream = streams[0]
        coded = getattr(self._stream, "codec_context", None)  # None for a codec FFmpeg was built without
        if coded is None:
            self._container.close()
            raise BadVideo(f"{path.name} is in a format no decoder here knows.")
        if coded.width * coded.height > limits.max_pixels:
            self._container.close()
            raise BadVideo(
                f"{path.name} has {coded.width}×{coded.height} pixels, more than the {limits.max_pixels} allowed. "
                "Raise TRANSITIVE_MAX_PIXELS or scale it down."
            )
        self._stream.thread_count = 1  # one core per video; several videos use several cores
        self.fps = self._rate()
        self.every = max(1, round(self.fps / 30)) if self.fps > recipe.full_rate else 1
        self.expected = self._expected_frames()
        self.width, self.height = coded.width, coded.height  # upright after the first frame
        self.scale = scale  # luma pixels per pixel of the video

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._container.close()

    def packets(self) -> list[tuple[int | None, bool]]:
        """List when each frame is shown (None: the file does not say), and whether it is a key frame."""
        found: list[tuple[int | None, bool]] = []
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_discard:
                    found.append((packet.pts, packet.is_keyframe))
        except av.FFmpegError:  # cut off: what came before counts
            pass
        return found

    def begins_at(self, time: int) -> bool:
        """Say whether seeking to the key frame of this time leads to it."""
        try:
            self._container.seek(time, stream=self._stream)
            return next(packet.pts for packet in self._container.demux(self._stream)) == time
        except (av.FFmpegError, StopIteration):
            return False

    def frames(self) -> Iterator[Frame]:
        """Yield every frame of the segment, or every second and so on above 40 frames a second.

        Raises:
            BadVideo: nothing could be decoded, or the video is longer, wider or smaller than allowed.
        """
        rotation = 0
        broken = False
        first: VideoFrame | None = None
        converter = VideoReformatter()
        for picture in self._pictures():
            if picture is None:
                broken = True
                continue
            if not self._reached(picture):
                continue
            if self._passed(picture):
                return
            index, self.decoded = self.segment.first + self.decoded, self.decoded + 1
            if index >= self._limits.max_frames:
                raise BadVideo(
                    f"{self.path.name} has more than {self._limits.max_frames} frames. "
                    "Raise TRANSITIVE_MAX_FRAMES or cut it."
                )
            if first is None:
                first = picture
                rotation = round(picture.rotation / 90) % 4
                self._measure(picture, rotation)
            if (picture.width, picture.height) != (first.width, first.height):
                return  # another picture size: what follows is another video
            if index % self.every:
                continue
            luma = np.ascontiguousarray(np.rot90(_half_luma(picture, self.scale), rotation))
            yield Frame(index, self._time(picture, index), luma, picture, rotation, broken, converter)
            broken = False
        if first is None and self.segment.number == 0:
            raise BadVideo(f"{self.path.name} holds no frame that can be decoded: it is damaged or cut off.")

    def _reached(self, picture: VideoFrame) -> bool:
        """Leave out what is shown before the segment's key frame: it would need frames of the segment before."""
        begins = self.segment.begins
        return begins is None or (picture.pts is not None and picture.pts >= begins)

    def _passed(self, picture: VideoFrame) -> bool:
        ends = self.segment.ends
        return ends is not None and picture.pts is not None and picture.pts >= ends

    def _pictures(self) -> Iterator[VideoFrame | None]:
        """Yield decoded pictures, and None wherever a packet was damaged."""
        try:
            if self.segment.begins is not None:
                self._container.seek(self.segment.begins, stream=self._stream)
            packets = self._container.demux(self._stream)
            while True:
                try:
                    packet = next(packets)
                except StopIteration:
                    return
                try:
                    yield from packet.decode()
                except av.FFmpegError as error:
                    if error.errno == errno.ENOMEM:
                        raise
                    self.damaged += 1
                    yield None
        except av.FFmpegError as error:  # the container itself ends in the middle
            if error.errno == errno.ENOMEM:
                raise
            self.damaged += 1

    def _measure(self, picture: VideoFrame, rotation: int) -> None:
        width, height = picture.width, picture.height
        self.width, self.height = (height, width) if rotation % 2 else (width, height)
        name = self.path.name
        if min(width, height) < _LEAST_SIDE:
            raise BadVideo(f"{name} has {width}×{height} pixels; the shorter side must have {_LEAST_SIDE}.")
        if max(width, height) > _MOST_ASPECT * min(width, height):
            raise BadVideo(f"{name} has {width}×{height} pixels: too narrow to hold a square of an object.")
        self.scale = self.scale or 0.5 * math.sqrt(self._recipe.working_area / (width * height))

    def _rate(self) -> float:
        for rate in (self._stream.average_rate, self._stream.guessed_rate, self._stream.base_rate):
            if rate and 1 <= rate <= 1000:
                return float(rate)
        return 25.0

    def _expected_frames(self) -> int:
        """Say how many frames the headers promise; 0 when they say nothing."""
        if self._stream.frames:
            return int(self._stream.frames)
        if self._stream.duration and self._stream.time_base:
            return round(float(self._stream.duration * self._stream.time_base) * self.fps)
        if self._container.duration:
            return round(self._container.duration / 1e6 * self.fps)
        return 0

    def _time(self, picture: VideoFrame, index: int) -> float:
        start = self._stream.start_time or 0
        if picture.pts is None or self._stream.time_base is None:
            return index / self.fps
        return float((picture.pts - start) * self._stream.time_base)


def _open(path: Path) -> InputContainer:
    """Open a file; NVDEC decodes it where a device is there and knows its format, else this processor does."""
    if NVIDIA.exists():
        with suppress(av.FFmpegError):  # no driver, no memory left on it
            return av.open(str(path), mode="r", hwaccel=HWAccel("cuda"))
    return av.open(str(path), mode="r")


def count_frames(path: Path, limits: Limits, progress: Progress = no_progress) -> Count:
    """Read a file's headers and packets; raises `BadVideo` when it cannot be one."""
    with Clip(path, limits, Mining()) as clip:
        progress("count", 0, 0, "frames")
        return Count(len(clip.packets()), clip.width, clip.height, clip.fps, clip.every)


def _is_cover(stream: VideoStream) -> bool:
    """Tell a song's cover picture from a video."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _cause(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".")


def resize(pixels: NDArray[np.uint8], width: int, height: int, how: int) -> NDArray[np.uint8]:
    """Scale a picture of bytes, grey or colour."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)


def _half_luma(picture: VideoFrame, scale: float) -> Luma:
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if picture.format.name in _PLANAR_LUMA:
        plane = picture.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : picture.height, : picture.width
        ]
    else:
        luma = np.asarray(picture.to_ndarray(format="gray"), np.uint8)
    # Halving by area is what keeps aliasing out; the linear step that follows never skips a pixel.
    while luma.shape[1] >= 2.3 * size[0]:
        even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
        luma = resize(even, even.shape[1] // 2, even.shape[0] // 2, cv2.INTER_AREA)
    return resize(luma, *size, cv2.INTER_LINEAR)
