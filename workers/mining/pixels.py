"""Crops, scaled pictures and JPEG bytes of whole RGB pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.view import resize

Pixels = NDArray[np.uint8]

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
_MUCH = 3.0
_CONTEXT_PIXELS = (150_000, 450_000)  # Doersch et al. 2015: images resized to 150K-450K pixels


def cut_out(picture: Pixels, box: tuple[int, int, int, int], side: int) -> Pixels:
    """Cut x, y, w, h out of `picture` and scale it to a square of `side` (section 4.1)."""
    x, y, w, h = box
    part = np.ascontiguousarray(picture[y : y + h, x : x + w])
    if side < min(w, h) and max(w, h) < 4 * side:
        # Linear to twice the side, then means of 2×2: 45 dB or more from area averaging, in a third of its time.
        part = resize(part, 2 * side, 2 * side, cv2.INTER_LINEAR)
    return _sized(part, side, side)


def sized_for_context(picture: Pixels, pixel_aspect: float = 1.0) -> Pixels:
    """Scale a whole frame into the range of sizes of context prediction, and to the proportions that it is shown in."""
    height, width = picture.shape[:2]
    shown = width * pixel_aspect
    factor = float(np.sqrt(np.clip(height * shown, *_CONTEXT_PIXELS) / (height * shown)))
    if factor == 1 and pixel_aspect == 1:
        return picture
    return _sized(np.ascontiguousarray(picture), round(shown * factor), round(height * factor))


def _sized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Scale a picture; a much larger one is first halved by area, which is ten times as fast in OpenCV."""
    while min(pixels.shape[1] / width, pixels.shape[0] / height) >= _MUCH:
        even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
        pixels = resize(even, even.shape[1] // 2, even.shape[0] // 2, cv2.INTER_AREA)
    return resize(pixels, width, height, cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_CUBIC)


def jpeg(pixels: Pixels) -> bytes:
    """Encode RGB as JPEG of quality 95."""
    bgr = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, _QUALITY)
    if not done:
        raise MemoryError("a JPEG could not be written")
    return bytes(data)


def correlation(a: Pixels, b: Pixels) -> float:
    """Correlate the grey of two pictures: 1 when they differ by brightness and contrast only."""
    first, second = (cv2.transform(p, np.full((1, 3), 1 / 3)).ravel().astype(np.float32) for p in (a, b))
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.sqrt((first @ first) * (second @ second))), 1e-6))
