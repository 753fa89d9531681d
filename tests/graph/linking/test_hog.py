"""Tests of HOG against a transcription pixel by pixel, and of its invariances."""

import math

import numpy as np

from graph.linking.hog import hog


def by_pixels(image: np.ndarray) -> np.ndarray:
    """Return the HOG of Dalal and Triggs (2005), computed pixel by pixel, cell by cell and block by block."""
    pixels = image.astype(float)
    height, width = image.shape[:2]
    cells = np.zeros((height // 8, width // 8, 9))
    for y in range(height):
        for x in range(width):
            best, gradient = -1.0, (0.0, 0.0)
            for channel in range(3):
                dx = pixels[y, x + 1, channel] - pixels[y, x - 1, channel] if 0 < x < width - 1 else 0.0
                dy = pixels[y + 1, x, channel] - pixels[y - 1, x, channel] if 0 < y < height - 1 else 0.0
                if dx * dx + dy * dy > best:
                    best, gradient = dx * dx + dy * dy, (dx, dy)
            angle = math.atan2(gradient[1], gradient[0]) % math.pi
            place = angle / math.pi * 9 - 0.5
            lower = math.floor(place)
            cells[y // 8, x // 8, lower % 9] += math.sqrt(best) * (1 - (place - lower))
            cells[y // 8, x // 8, (lower + 1) % 9] += math.sqrt(best) * (place - lower)
    out = []
    for y in range(height // 8 - 1):
        for x in range(width // 8 - 1):
            block = np.concatenate([cells[y, x], cells[y, x + 1], cells[y + 1, x], cells[y + 1, x + 1]])
            block = np.minimum(block / math.sqrt((block**2).sum() + 1e-3), 0.2)
            out.append(block / math.sqrt((block**2).sum() + 1e-3))
    return np.concatenate(out)


def test_hog_is_the_definition() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3), dtype=np.uint8)
    images[1, :, :, 1:] = 0  # one channel only
    images[2] = 77  # no gradient at all
    found = hog(images).astype(float)
    assert np.abs(found - np.stack([by_pixels(image) for image in images])).max() < 2e-3  # float16
    assert not found[2].any()


def test_a_patch_has_4356_numbers_and_none_are_none() -> None:
    assert hog(np.zeros((0, 96, 96, 3), np.uint8)).shape == (0, 4356)
    assert hog(np.zeros((300, 96, 96, 3), np.uint8)).shape == (300, 4356)


def test_brightness_is_no_feature() -> None:
    image = np.random.default_rng(1).integers(0, 100, (1, 96, 96, 3), dtype=np.uint8)
    assert np.abs(hog(image).astype(float) - hog(image + 100).astype(float)).max() < 2e-3
