"""Surface normals from a depth image, by a plane fitted to the points around each pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

RADIUS = 4  # pixels: a plane is fitted to the 9×9 window around a pixel
LEAST_SHARE = 0.6  # share of the window's pixels that must have a depth
NEAR = 0.1  # largest standard deviation of the window's depths, as a share of their mean; above it is an edge
FLATTEST = 0.3  # largest ratio of the smallest to the middle eigenvalue of the points' covariance; 0 is a plane


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and centre, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float


def points_of(depth: NDArray[np.float64], camera: Intrinsics) -> NDArray[np.float64]:
    """Return the points (H, W, 3) of a depth image (H, W), in the unit of the depth: x right, y down, z forward."""
    rows, columns = np.indices(depth.shape)
    return np.stack([(columns - camera.cx) / camera.fx * depth, (rows - camera.cy) / camera.fy * depth, depth], axis=-1)


def normals_of(
    depth: NDArray[np.float64],
    camera: Intrinsics,
    rows: NDArray[np.int64] | None = None,
    columns: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fit a plane to the points around every pixel, or around the pixels of the given rows and columns.

    Args:
        depth: (H, W); 0 or less where depth is missing.
        camera: of the depth image.
        rows: (h,) rows of the wanted pixels; None: all rows.
        columns: (w,) columns of the wanted pixels; None: all columns.

    Returns:
        Unit normals (h, w, 3), turned towards the camera (negative z at the image's centre), and the valid pixels
        (h, w). A pixel is valid if it has depth, and its window has enough depths, no depth edge, and points near one
        plane. The normals of other pixels are 0.
    """
    wanted = np.ix_(
        np.arange(depth.shape[0]) if rows is None else rows, np.arange(depth.shape[1]) if columns is None else columns
    )

    def window_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the window of each wanted pixel, by a box filter."""
        means: NDArray[np.float64] = uniform_filter(values, 2 * RADIUS + 1, mode="constant")[wanted]
        return means

    here = depth > 0
    share = window_mean(here.astype(np.float64))
    some = np.maximum(share, 1e-9)
    mean_depth = window_mean(np.where(here, depth, 0.0)) / some
    spread = window_mean(np.where(here, depth**2, 0.0)) / some
    deviation = np.sqrt(np.maximum(spread - mean_depth**2, 0))
    points = np.where(here[..., None], points_of(depth, camera), 0.0)
    centre = np.stack([window_mean(points[..., a]) / some for a in range(3)], axis=-1)
    covariance = np.empty((*share.shape, 3, 3))
    for a in range(3):
        for b in range(a, 3):
            value = window_mean(points[..., a] * points[..., b]) / some - centre[..., a] * centre[..., b]
            covariance[..., a, b] = covariance[..., b, a] = value
    values, vectors = np.linalg.eigh(covariance)
    normals = vectors[..., 0]
    away = (normals * points[wanted]).sum(-1) > 0
    normals = np.where(away[..., None], -normals, normals)
    flat = values[..., 0] <= FLATTEST * np.maximum(values[..., 1], 1e-12)
    valid = here[wanted] & (share >= LEAST_SHARE) & (deviation <= NEAR * mean_depth) & flat
    return np.where(valid[..., None], normals, 0.0).astype(np.float32), valid
