"""Detection of damaged pictures. FFmpeg conceals lost data without an error, and later pictures refer to the result."""

import errno
from collections.abc import Iterable, Iterator

import av
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from workers.mining.frame_numbers import FrameNumbers

_ONE_EACH = (
    "h264",
    "hevc",
    "mpeg1video",
    "mpeg2video",
)  # codecs in which every packet of a progressive video holds one picture that is shown
_BIDIRECTIONAL = (PictureType.B, PictureType.BI)


class DamageFinder:
    """Detects for each picture whether it, or a picture that it refers to, is damaged or lost.

    A decoder does not tell which pictures refer to a damaged one. So all pictures from the damaged one to the next key
    frame count as damaged, and so do the B-pictures that are displayed directly before it.
    """

    def __init__(self, codec: str = "", extradata: bytes | None = None) -> None:
        """Start before the first packet of a stream of FFmpeg's `codec`."""
        self._failed = 0  # packets that raised an error
        self._numbers = FrameNumbers(extradata) if codec == "h264" else None
        self._one_each = codec in _ONE_EACH
        self._undecoded: set[int] = set()  # times of packets whose picture is not decoded yet
        self.breaks = 0  # how often damage was noticed; no shot continues across it
        self._from: int | None = None  # time of a damaged packet whose picture is not decoded yet
        self._at: set[int] = set()  # times of packets that the container flags as damaged, or that follow a loss
        self._untimed = False  # a damaged packet carried no time: the next picture counts
        self._within = False  # between a damaged picture and the next key frame

    def lost_packets(self, begins: int | None, ends: int | None) -> int:
        """Count the packets shown from `begins` to before `ends` that gave no picture; call it at the end."""
        silent = [t for t in self._undecoded if (begins is None or t >= begins) and (ends is None or t < ends)]
        return self._failed + (len(silent) if self._one_each else 0)

    def judged(self, packets: "Iterable[Packet[VideoStream]]", begins: int | None) -> Iterator[tuple[VideoFrame, bool]]:
        """Decode `packets` and yield each picture that is shown at `begins` or later, and whether it is damaged."""
        held: list[VideoFrame] = []
        for picture in self._decoded(packets):
            if begins is not None and (picture.pts is None or picture.pts < begins):
                continue  # refers to pictures of the previous segment
            damaged = self._is_damaged(picture)
            if picture.pict_type in _BIDIRECTIONAL and not damaged:
                held.append(picture)
                continue
            yield from ((one, damaged) for one in held)
            held.clear()
            yield picture, damaged
        yield from ((one, False) for one in held)

    def _decoded(self, packets: "Iterable[Packet[VideoStream]]") -> Iterator[VideoFrame]:
        stream = iter(packets)
        while True:
            try:
                packet = next(stream)
            except StopIteration:
                return
            except av.FFmpegError as error:  # the container itself ends in the middle
                _raise_for_memory(error)
                self._lose()
                return
            if packet.is_corrupt or self._follows_a_loss(packet):
                self._damage(packet.pts)
            if packet.size and packet.pts is not None and not packet.is_discard:
                self._undecoded.add(packet.pts)
            try:
                for picture in packet.decode():
                    self._undecoded.discard(-1 if picture.pts is None else picture.pts)
                    self._one_each &= not picture.interlaced_frame  # two packets may give one picture
                    yield picture
            except av.FFmpegError as error:
                _raise_for_memory(error)
                self._undecoded.discard(-1 if packet.pts is None else packet.pts)
                self._lose()

    def _follows_a_loss(self, packet: "Packet[VideoStream]") -> bool:
        return self._numbers is not None and bool(packet.size) and self._numbers.misses(bytes(packet))

    def _lose(self) -> None:
        self._failed += 1
        self.breaks += 1
        self._within = True

    def _damage(self, time: int | None) -> None:
        if time is None:
            self._untimed = True
        else:
            self._at.add(time)
            self._from = time if self._from is None else min(self._from, time)

    def _is_damaged(self, picture: VideoFrame) -> bool:
        time = picture.pts
        itself = picture.is_corrupt or self._untimed or (time is not None and time in self._at)
        after = self._from is not None and (time is None or time >= self._from)
        self._untimed = False
        self._at.discard(-1 if time is None else time)
        if after or itself:
            self.breaks += 1
        if after:
            self._from = None
        if picture.key_frame:
            self._within = itself
        else:
            self._within |= itself or after
        return self._within


def _raise_for_memory(error: av.FFmpegError) -> None:
    if error.errno == errno.ENOMEM:
        raise error
