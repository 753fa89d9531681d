"""Whole RGB pictures in; 96×96 patches, frames for context prediction, and JPEG bytes out."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.mining.decode import resize

Pixels = NDArray[np.uint8]

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
_CONTEXT_PIXELS = (150_000, 450_000)  # Doersch et al. 2015: images resized to 150K-450K pixels


def cut_out(picture: Pixels, box: tuple[int, int, int, int], side: int) -> Pixels:
    """Cut x, y, w, h out of `picture` and scale it to a square of `side` (section 4.1)."""
    x, y, w, h = box
    pixels = np.ascontiguousarray(picture[y : y + h, x : x + w])
    return resize(pixels, side, side, cv2.INTER_AREA if w > side else cv2.INTER_CUBIC)


def sized_for_context(picture: Pixels) -> Pixels:
    """Bring a whole frame into the range of sizes that context prediction wants."""
    height, width = picture.shape[:2]
    factor = float(np.sqrt(np.clip(height * width, *_CONTEXT_PIXELS) / (height * width)))
    if factor == 1:
        return picture
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return resize(np.ascontiguousarray(picture), round(width * factor), round(height * factor), how)


def jpeg(pixels: Pixels) -> bytes:
    """Encode RGB as JPEG of quality 95."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), _QUALITY)
    if not done:
        raise MemoryError("a JPEG could not be written")
    return bytes(data)


def correlation(a: Pixels, b: Pixels) -> float:
    """Correlate the grey of two pictures: 1 when they differ by brightness and contrast only."""
    first, second = (p.astype(np.float32).mean(axis=2).ravel() for p in (a, b))
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.sqrt((first @ first) * (second @ second))), 1e-6))
