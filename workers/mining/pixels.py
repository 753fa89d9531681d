"""Whole RGB pictures in; 96×96 patches, frames for context prediction, and JPEG bytes out."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import resize

Pixels = NDArray[np.uint8]

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
_MUCH = 3.0
_CONTEXT_PIXELS = (150_000, 450_000)  # Doersch et al. 2015: images resized to 150K-450K pixels


def cut_out(picture: Pixels, box: tuple[int, int, int, int], side: int) -> Pixels:
    """Cut x, y, w, h out of `picture` and scale it to a square of `side` (section 4.1)."""
    x, y, w, h = box
    return _sized(np.ascontiguousarray(picture[y : y + h, x : x + w]), side, side)


def sized_for_context(picture: Pixels) -> Pixels:
    """Bring a whole frame into the range of sizes that context prediction wants."""
    height, width = picture.shape[:2]
    factor = float(np.sqrt(np.clip(height * width, *_CONTEXT_PIXELS) / (height * width)))
    if factor == 1:
        return picture
    return _sized(np.ascontiguousarray(picture), round(width * factor), round(height * factor))


def _sized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Scale a picture; one much too large is halved by area first, which OpenCV does ten times as fast."""
    while min(pixels.shape[1] / width, pixels.shape[0] / height) >= _MUCH:
        even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
        pixels = resize(even, even.shape[1] // 2, even.shape[0] // 2, cv2.INTER_AREA)
    return resize(pixels, width, height, cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_CUBIC)


def jpeg(pixels: Pixels) -> bytes:
    """Encode RGB as JPEG of quality 95."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), _QUALITY)
    if not done:
        raise MemoryError("a JPEG could not be written")
    return bytes(data)


def correlation(a: Pixels, b: Pixels) -> float:
    """Correlate the grey of two pictures: 1 when they differ by brightness and contrast only."""
    first, second = (cv2.transform(p, np.full((1, 3), 1 / 3)).ravel().astype(np.float32) for p in (a, b))
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.sqrt((first @ first) * (second @ second))), 1e-6))
