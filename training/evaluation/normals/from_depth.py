"""Surface normals from a depth image, by a plane fitted to the points around each pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

RADIUS = 4  # pixels: a plane is fitted to the 9×9 pixels around its own
LEAST_SHARE = 0.6  # minimum share of these with a depth near the middle's
NEAR = 0.1  # a point whose depth differs by more than this share of the middle's lies on another surface
FLATTEST = 0.3  # maximum deviation of the points from a plane: smallest over middle eigenvalue


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and centre, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float


def points_of(depth: NDArray[np.float64], camera: Intrinsics) -> NDArray[np.float64]:
    """Return the points (H, W, 3) of a depth image (H, W), in its unit: x right, y down, z forward."""
    rows, columns = np.indices(depth.shape)
    return np.stack([(columns - camera.cx) / camera.fx * depth, (rows - camera.cy) / camera.fy * depth, depth], axis=-1)


def normals_of(
    depth: NDArray[np.float64],
    camera: Intrinsics,
    rows: NDArray[np.int64] | None = None,
    columns: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fit a plane around every pixel, or around those of the given rows and columns.

    Args:
        depth: (H, W), 0 or less where there is none.
        camera: intrinsics of its camera.
        rows: (h,) of the pixels that are wanted; None: all.
        columns: (w,), likewise.

    Returns:
        Unit normals (h, w, 3) that point to the camera (negative z in front of it), 0 where there is none, and the
        valid pixels (h, w): those with enough neighbours at about their depth that lie near one plane.
    """
    wanted = np.ix_(
        np.arange(depth.shape[0]) if rows is None else rows, np.arange(depth.shape[1]) if columns is None else columns
    )

    def window_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over each wanted pixel's window; a box filter, so no pixel needs a loop of its own."""
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
