"""Synthetic frames and video files with known motion of the background and of a pasted object."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_CODECS = {
    "libx264": ("yuv420p", {"crf": "16", "preset": "ultrafast"}),
    "mjpeg": ("yuvj420p", {"qmin": "2", "qmax": "4"}),
    "mpeg4": ("yuv420p", {"b": "8M"}),
    "libvpx": ("yuv420p", {"deadline": "realtime", "cpu-used": "8", "b": "2M"}),
    "mpeg2video": ("yuv420p", {"b": "8M"}),
    "libx265": ("yuv420p", {"x265-params": "log-level=none"}),
    "wrapped_avframe": ("yuv420p", {}),
    "gif": ("rgb8", {}),
}


def texture(height: int, width: int, seed: int, fine: int = 4) -> np.ndarray:
    """Return an RGB picture with corners at several scales, as in real scenes."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for size in (fine, 4 * fine, 16 * fine):
        noise = random.random((height // size + 2, width // size + 2, 3), dtype=np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    total -= total.min()
    return (total * (235 / total.max())).astype(np.uint8)


def pan(scene: np.ndarray, size: tuple[int, int], start: tuple, velocity: tuple, count: int) -> Iterator[np.ndarray]:
    """Yield the views of a camera with a picture of (width, height) that moves over a large scene, with subpixels."""
    for number in range(count):
        centre = (
            start[0] + velocity[0] * number + size[0] / 2 - 0.5,
            start[1] + velocity[1] * number + size[1] / 2 - 0.5,
        )
        yield cv2.getRectSubPix(scene, size, centre)


def paste(frame: np.ndarray, thing: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Paste an ellipse of `thing` onto a frame with its centre at `centre`, with subpixel accuracy."""
    height, width = thing.shape[:2]
    y, x = np.mgrid[:height, :width]
    far = ((x - width / 2 + 0.5) / (width / 2)) ** 2 + ((y - height / 2 + 0.5) / (height / 2)) ** 2
    alpha = np.clip((1 - far) * 8, 0, 1).astype(np.float32)
    place = np.float32([[1, 0, centre[0] - width / 2 + 0.5], [0, 1, centre[1] - height / 2 + 0.5]])
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(thing, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(alpha, place, size, flags=cv2.INTER_LINEAR)[..., None]
    return (frame * (1 - mask) + moved * mask).astype(np.uint8)


def draw(frame: np.ndarray, what: str, k: int, place: tuple[int, int, int, int], seed: int) -> np.ndarray:
    """Draw an overlay that is static on the screen onto a frame."""
    frame, (x, y, w, h) = np.ascontiguousarray(frame), place
    colour = tuple(int(c) for c in np.random.default_rng(seed).integers(0, 255, 3))
    inside = frame[y : y + h, x : x + w]
    match what:
        case "rectangle":
            inside[:] = colour
        case "frame":
            cv2.rectangle(frame, (x, y), (x + w, y + h), colour, 4)
        case "texture":
            inside[:] = texture(h, w, seed, fine=5)
        case "glass":
            inside[:] = (inside * 0.5 + texture(h, w, seed, fine=5) * 0.5).astype(np.uint8)
        case "disc":
            cv2.circle(frame, (x + 50, y + 40), 38, colour, -1)
        case "text":
            cv2.putText(frame, "BREAKING NEWS", (x, y + 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 3)
        case "outlined text":
            for ink, wide in ((0, 0, 0), 6), ((255, 255, 255), 2):
                cv2.putText(frame, "some words", (x, y + 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, ink, wide, cv2.LINE_AA)
        case "clock":
            time = f"00:00:{k / 30:05.2f}"
            cv2.putText(frame, time, (x, y + 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 0), 3)
        case "bar":
            frame[len(frame) - h // 2 :] = colour
    return frame


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    rate: int | Fraction = 30,
    *,
    rotate: int = 0,
    times: list[int] | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode RGB frames at high quality; `times` (milliseconds) gives a variable frame rate.

    `aspect` is the pixels' width divided by their height.
    """
    with av.open(str(path), "w") as container:
        stream = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, usual = _CODECS[codec]
                stream.options = usual | (options or {})
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if times is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if times is not None:
                picture.pts, picture.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode(None))
    if rotate:
        _rotate(path, rotate)
    return path


def _rotate(path: Path, degrees: int) -> None:
    """Set the display matrix in an MP4's track header, as phones do for upright videos."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + (40 if data[at] == 0 else 52)
    turns = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    a, b, c, d = (value * 65536 for value in turns)
    values = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in values)
    path.write_bytes(data)
