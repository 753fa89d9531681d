"""Opening a video file: the containers that are taken, and the video stream that is mined.

A file is opened as a Python file object and never by its name, so FFmpeg has no path to follow. Containers that name
other files (HLS, DASH, concat, SDP) are not on the list, and a demuxer that asks for another file is refused.
"""

from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Never, Self

import av
from av.codec.hwaccel import HWAccel
from av.container.input import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from graph.errors import BadVideo

NVIDIA = Path("/dev/nvidiactl")  # exists where a device and its driver do

# FFmpeg's names. docs/videos.md has the same list with the usual suffixes.
CONTAINERS = (
    "mov",
    "matroska",
    "mpegts",
    "mpeg",
    "avi",
    "asf",
    "flv",
    "ogg",
    "mxf",
    "nut",
    "rm",
    "wtv",
    "dhav",
    "ivf",
    "gif",
    "dv",
    "yuv4mpegpipe",
    "h261",
    "h263",
    "h264",
    "hevc",
    "vvc",
    "av1",
    "obu",
    "m4v",
    "mpegvideo",
    "mjpeg",
    "vc1",
    "dirac",
    "cavsvideo",
)
_BUFFER = 1 << 16  # bytes a read
_HEAD = 4096  # bytes that tell a playlist or a picture from a damaged video
_FEW = 0.05  # of the longest stream's frames; a stream with fewer shows thumbnails
_NEVER = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@dataclass(slots=True)
class Packets:
    """What the packets of one stream say without decoding, in the file's order."""

    times: "array[int]" = field(default_factory=lambda: array("q"))  # of packets that have one, in the stream's unit
    keys: bytearray = field(default_factory=bytearray)  # 1 for a key frame, for each of `times`
    count: int = 0  # all packets


class VideoFile:
    """An open container; close it, or use it as a context manager."""

    def __init__(self, path: Path, hardware: bool = False) -> None:
        """Open `path`; with `hardware`, a device's decoder is used where there is one.

        Raises:
            BadVideo: the file is missing, empty, or not in a container that is taken.
        """
        if not path.is_file():
            raise BadVideo(f"{path} does not exist. Check the name.")
        if path.stat().st_size == 0:
            raise BadVideo(f"{path.name} is empty: 0 bytes.")
        self.path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise BadVideo(f"{path.name} cannot be read: {error.strerror}.") from None
        try:
            self.container = self._open(hardware and NVIDIA.exists())
        except (av.FFmpegError, ValueError, UnicodeError) as error:
            reason = self._refusal(error)
            self._file.close()
            raise BadVideo(reason) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the container and its file."""
        self.container.close()
        self._file.close()

    def _open(self, hardware: bool) -> InputContainer:
        if hardware:
            with suppress(av.FFmpegError):  # no driver, or no memory left on the device
                return self._container(HWAccel("cuda"))
            self._file.seek(0)
        return self._container(None)

    def _container(self, hwaccel: HWAccel | None) -> InputContainer:
        return av.open(
            self._file,
            mode="r",
            container_options={"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"},
            io_open=_refuse,
            buffer_size=_BUFFER,
            hwaccel=hwaccel,
        )

    def _refusal(self, error: Exception) -> str:
        """Name the cause and the cure."""
        self._file.seek(0)
        head = self._file.read(_HEAD)
        name = self.path.name
        if _is_playlist(head):
            return f"{name} is a playlist: it names other files. Ingest those files instead."
        if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")) or head[8:12] == b"WEBP":
            return f"{name} is no video but a still picture."
        if isinstance(error, av.error.ArgumentError):
            return f"{name} is no video that can be read: its format is not taken. docs/videos.md lists those that are."
        cause = str(getattr(error, "strerror", None) or error).rstrip(".")
        return f"{name} is no video that can be read: {cause}."

    def candidates(self) -> list[VideoStream]:
        """List the streams that may be mined: those with a decoder that are no cover, preview or thumbnail.

        Raises:
            BadVideo: there is none.
        """
        moving = [stream for stream in self.container.streams.video if not stream.disposition & _NEVER]
        if not moving:
            raise BadVideo(f"{self.path.name} holds no moving pictures, only sound or data.")
        known = [stream for stream in moving if getattr(stream, "codec_context", None) is not None]
        if not known:
            raise BadVideo(f"{self.path.name} is in a format for which FFmpeg has no decoder here.")
        return known

    def read_packets(self, streams: list[VideoStream], tell: Callable[[int], None]) -> dict[int, Packets]:
        """Read all packets of `streams` without decoding them; `tell` is called with the count from time to time."""
        found = {stream.index: Packets() for stream in streams}
        for stream in self.container.streams:
            if stream.index not in found:
                stream.discard = Discard.all
        total = 0
        with suppress(av.FFmpegError):  # a file that was cut off: what comes before counts
            for packet in self.container.demux(streams):
                if not packet.size or packet.is_discard:
                    continue
                packets = found[packet.stream_index]
                packets.count += 1
                if packet.pts is not None:
                    packets.times.append(packet.pts)
                    packets.keys.append(packet.is_keyframe)
                total += 1
                if total % 1000 == 0:
                    tell(total)
        return found


def best_stream(streams: list[VideoStream], packets: dict[int, Packets]) -> VideoStream:
    """Choose as FFmpeg's command does: the default flag, then the size, then the frames; thumbnails come last."""
    most = max(found.count for found in packets.values())

    def rank(stream: VideoStream) -> tuple[bool, bool, int, int, int]:
        count = packets[stream.index].count
        pixels = stream.codec_context.width * stream.codec_context.height
        default = bool(stream.disposition & Disposition.default)
        return count > max(1, _FEW * most), default, pixels, count, -stream.index

    return max(streams, key=rank)


def streams_left_out(container: InputContainer, chosen: int) -> list[str]:
    """Describe the video streams that are not mined."""
    return [_described(stream) for stream in container.streams.video if stream.index != chosen]


def _described(stream: VideoStream) -> str:
    context = getattr(stream, "codec_context", None)
    if context is None:
        return f"stream {stream.index} (no decoder)"
    kind = "cover picture or thumbnails" if stream.disposition & _NEVER else context.name
    return f"stream {stream.index} ({kind}, {context.width}×{context.height})"


def _is_playlist(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"#extm3u", b"ffconcat", b"[playlist]", b"v=0", b"<asx")) or (
        text.startswith(b"<") and (b"<mpd" in text or b"<smil" in text or b"<playlist" in text)
    )


def _refuse(url: str, flags: int, options: dict[str, str]) -> Never:
    raise PermissionError("a video may not name another file")
