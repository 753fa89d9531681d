"""Opening of a video file: the accepted containers, and the choice of the video stream.

FFmpeg gets a Python file object and no file name, so it cannot resolve relative paths. Containers that refer to other
files (HLS, DASH, concat, SDP) are not accepted. If a demuxer asks for another file, the request is refused.
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

NVIDIA = Path("/dev/nvidiactl")  # exists if a GPU and its driver are present

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
_BUFFER = 1 << 16  # bytes of one read
_HEAD = 4096  # bytes at the file's beginning that are searched for marks of a playlist or a picture
_BLANK = b"\xef\xbb\xbf \t\r\n"  # a byte order mark and white space
_FEW = 0.05  # share of the longest stream's frames; a stream with fewer frames holds thumbnails
_NEVER = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@dataclass(slots=True)
class Packets:
    """Times and key frames of one stream's packets, in the file's order, read without decoding."""

    times: "array[int]" = field(default_factory=lambda: array("q"))  # of packets with a time, in the stream's unit
    keys: bytearray = field(default_factory=bytearray)  # for each of `times`: 1 if the packet is a key frame
    count: int = 0  # number of all packets, also of those without a time


class VideoFile:
    """An open container; close it, or use it as a context manager."""

    def __init__(self, path: Path, hardware: bool = False) -> None:
        """Open `path`; with `hardware`, a GPU's decoder is used if there is one.

        Raises:
            BadVideo: the file is missing, empty, or not in an accepted container.
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
            metadata_errors="replace",  # titles may be in any encoding; nothing reads them
        )

    def _refusal(self, error: Exception) -> str:
        """Return the message for a file that cannot be opened."""
        self._file.seek(0)
        head = self._file.read(_HEAD)
        name = self.path.name
        if _is_playlist(head):
            return f"{name} is a playlist: it names other files. Ingest those files instead."
        if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")) or head[8:12] == b"WEBP":
            return f"{name} is a picture, not a video. Of animated pictures, GIF and AVIF are accepted."
        if head.startswith((b"PK\3\4", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")):
            return f"{name} is an archive. Unpack it and ingest the videos in it."
        if head.lstrip(_BLANK).lower().startswith((b"<!doctype html", b"<html")):
            return f"{name} is a web page, not a video. Check the address that it was downloaded from."
        if isinstance(error, av.error.ArgumentError):
            return f"{name} is not a readable video: its format is not accepted (see docs/videos.md)."
        cause = str(getattr(error, "strerror", None) or error).rstrip(".")
        return f"{name} is not a readable video: {cause}."

    def candidates(self) -> list[VideoStream]:
        """List the streams that can be mined: they have a decoder, and are no cover, preview or thumbnails.

        Raises:
            BadVideo: no stream can be mined.
        """
        moving = [stream for stream in self.container.streams.video if not stream.disposition & _NEVER]
        if not moving:
            raise BadVideo(f"{self.path.name} holds no moving pictures, only sound or data.")
        known = [stream for stream in moving if getattr(stream, "codec_context", None) is not None]
        if not known:
            raise BadVideo(f"{self.path.name} is in a format for which FFmpeg has no decoder here.")
        return known

    def read_packets(self, streams: list[VideoStream], tell: Callable[[int], None]) -> dict[int, Packets]:
        """Read all packets of `streams` without decoding; `tell` receives the count after every 1,000 packets."""
        found = {stream.index: Packets() for stream in streams}
        for stream in self.container.streams:
            if stream.index not in found:
                stream.discard = Discard.all
        total = 0
        with suppress(av.FFmpegError):  # the file is cut off: the packets before the cut are used
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
    """Choose a stream by the rule of the ffmpeg command.

    The criteria in order: no thumbnails, the default flag, the largest picture, the most frames.
    """
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
    text = head.lstrip(_BLANK).lower()
    return text.startswith((b"#extm3u", b"ffconcat", b"[playlist]", b"v=0", b"<asx")) or (
        text.startswith(b"<") and (b"<mpd" in text or b"<smil" in text or b"<playlist" in text)
    )


def _refuse(url: str, flags: int, options: dict[str, str]) -> Never:
    raise PermissionError("a video may not name another file")
