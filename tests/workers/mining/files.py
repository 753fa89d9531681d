"""Video files with one unusual property, made by remuxing packets or patching bytes."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.workers.mining.composites import paste, texture, write_video

_VOID = 0xEC  # Matroska's Void element, which readers skip
_DEFAULT_DURATION = bytes.fromhex("23e383")


def crossing(count: int = 90, size: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    """Return frames in which an object crosses a static scene back and forth."""
    width, height = size
    scene, thing = texture(height, width, 1), texture(height * 3 // 8, height * 3 // 8, 2)
    return [paste(scene, thing, (width * 0.28 + 2 * abs((k + 70) % 140 - 70), height / 2)) for k in range(count)]


def remuxed(source: Path, target: Path, change: Callable[[int, av.Packet], av.Packet | None]) -> Path:
    """Copy the packets of a video; `change` gets a packet's number and the packet, and returns None to drop it."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.dts is not None):
            changed = change(number, packet)
            if changed is not None:
                changed.stream = stream
                new.mux(changed)
    return target


def overwritten(packet: av.Packet, seed: int = 0) -> av.Packet:
    """Return a packet whose second half is replaced with noise."""
    data = bytearray(bytes(packet))
    half = len(data) // 2
    data[half:] = np.random.default_rng(seed).integers(0, 256, len(data) - half, np.uint8).tobytes()
    broken = av.Packet(bytes(data))
    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
    broken.duration, broken.is_keyframe = packet.duration, packet.is_keyframe
    return broken


def without_default_duration(path: Path) -> Path:
    """Remove Matroska's frame duration, which recordings of browsers lack."""
    data = bytearray(path.read_bytes())
    at = data.index(_DEFAULT_DURATION)
    length = data[at + 3] & 0x7F
    data[at : at + 4 + length] = bytes([_VOID, 0x80 | (2 + length), *bytes(2 + length)])
    path.write_bytes(data)
    return path


def with_default_duration(path: Path, seconds: Fraction) -> Path:
    """Change Matroska's frame duration, in seconds."""
    data = bytearray(path.read_bytes())
    at = data.index(_DEFAULT_DURATION)
    length = data[at + 3] & 0x7F
    data[at + 4 : at + 4 + length] = int(seconds * 10**9).to_bytes(length, "big")
    path.write_bytes(data)
    return path


def with_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Set an MP4's display matrix: the images (x, y) of a step to the right and of a step down."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    place = at + (40 if data[at] == 0 else 52)
    a, b, c, d = (value << 16 for value in matrix)
    data[place : place + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    path.write_bytes(data)
    return path


def one_after_the_other(target: Path, parts: Sequence[list[np.ndarray]]) -> Path:
    """Concatenate MPEG-TS files, as a camera does that starts again in the same file."""
    whole = b""
    for number, frames in enumerate(parts):
        whole += write_video(target.with_suffix(f".{number}.ts"), frames).read_bytes()
    target.write_bytes(whole)
    return target


def with_streams(target: Path, streams: Sequence[tuple[list[np.ndarray], str, bool]]) -> Path:
    """Write several video streams, each given by its frames, its codec and its default flag."""
    with av.open(str(target), "w") as container:
        made = []
        for frames, codec, default in streams:
            stream = container.add_stream(codec, rate=30)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = int(default)
            made.append(stream)
        for stream, (frames, _, _) in zip(made, streams, strict=True):
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, 30)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return target
