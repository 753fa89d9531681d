"""The codebook of normals (K-means on the unit sphere), and the measures of angles between normals.

Section 6.4 follows Wang et al. 2015 (https://arxiv.org/abs/1411.4958): each normal is one of 40 classes.
"""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 50


def fit_codebook(normals: NDArray[np.float32], codewords: int, seed: int) -> NDArray[np.float32]:
    """Cluster (N, 3) unit normals by cosine into (codewords, 3) unit vectors, initialised by k-means++."""
    generator = np.random.default_rng(seed)
    centres = normals[generator.integers(len(normals))][None]
    while len(centres) < codewords:
        far = np.maximum(1 - (normals @ centres.T).max(1).astype(np.float64), 0)
        total = far.sum()
        chosen = generator.choice(len(normals), p=far / total) if total > 0 else generator.integers(len(normals))
        centres = np.concatenate([centres, normals[chosen][None]])
    for _ in range(_ROUNDS):
        nearest = encode_normals(normals, centres)
        sums = np.stack([np.bincount(nearest, normals[:, axis], codewords) for axis in range(3)], axis=1)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.where(lengths > 1e-9, sums / np.maximum(lengths, 1e-9), centres).astype(np.float32)
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    found: NDArray[np.float32] = centres
    return found


def encode_normals(normals: NDArray[np.float32], codebook: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the index of the nearest codeword for each of (..., 3) normals."""
    found: NDArray[np.int64] = (normals @ codebook.T).argmax(-1)
    return found


def angles(predicted: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (N,) angles between (N, 3) unit vectors, in degrees."""
    cross = np.linalg.norm(np.cross(predicted.astype(np.float64), truth.astype(np.float64)), axis=-1)
    dot = (predicted.astype(np.float64) * truth).sum(-1)
    found: NDArray[np.float64] = np.degrees(np.arctan2(cross, dot))  # arccos loses precision near 0 and 180
    return found


def angle_measures(errors: NDArray[np.float64]) -> dict[str, float]:
    """Return table 5's columns for (N,) angles in degrees: mean, median, and the shares within 11.25, 22.5 and 30."""
    within = {f"within {limit:g}": float((errors <= limit).mean()) for limit in (11.25, 22.5, 30.0)}
    return {"mean": float(errors.mean()), "median": float(np.median(errors)), **within}
