"""Survey of a video file by its packets, without decoding: the stream that is mined, its rate, and its segments."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from graph.errors import BadVideo
from graph.records import Progress, no_progress
from workers.mining.clock import frame_rate, measured_rate
from workers.mining.container import Packets, VideoFile, best_stream
from workers.mining.recipe import Limits


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video from key frame to key frame, and facts about the whole video."""

    number: int = 0
    first: int = 0  # index of its first frame
    begins: int | None = None  # time of its key frame, in the stream's own unit; None: where the video begins
    ends: int | None = None  # time of the next one's key frame; None: where the video ends
    stream: int = -1  # index of the video stream that is mined; -1: not determined yet
    fps: float = 0.0
    frames: int = 0  # packets of the whole video


WHOLE = Segment()


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts from reading all packets of a file without decoding: the stream to mine, its rate and its packets."""

    stream: int
    fps: float
    packets: Packets


def survey(path: Path, limits: Limits, progress: Progress = no_progress) -> Survey:
    """Read a file's headers and packets; raises `BadVideo` when it cannot be a video that is allowed."""
    with VideoFile(path) as file:
        streams = file.candidates()
        progress("read", 0, 0, "packets")
        packets = file.read_packets(streams, lambda count: progress("read", count, 0, "packets"))
        best = best_stream(streams, packets)
        found = packets[best.index]
        pixels = best.codec_context.width * best.codec_context.height
        if pixels > limits.max_pixels:
            raise BadVideo(
                f"{path.name} has {best.codec_context.width}×{best.codec_context.height} pixels, more than the "
                f"{limits.max_pixels} allowed. Raise TRANSITIVE_MAX_PIXELS or scale it down."
            )
        if found.count > limits.max_frames:
            raise BadVideo(too_long(path, limits))
        unit = fraction(best.time_base)
        measured = measured_rate(found.times, found.keys, unit) if unit else 0.0
        claims = (best.average_rate, best.guessed_rate, best.base_rate)
        fps = frame_rate(measured, found.count, [fraction(claim) for claim in claims])
        return Survey(best.index, fps, found)


def fraction(ratio: Any) -> Fraction | None:
    """Read one of PyAV's ratios; None if the file states none."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio and ratio.denominator else None


def too_long(path: Path, limits: Limits) -> str:
    """Return the message for a video with too many frames."""
    return f"{path.name} has more than {limits.max_frames} frames. Raise TRANSITIVE_MAX_FRAMES or cut it."
