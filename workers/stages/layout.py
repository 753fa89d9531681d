"""UMAP in a child process, which a cancelled job can end and which does not hold the worker's interpreter lock.

UMAP: McInnes, Healy, Melville 2018, https://arxiv.org/abs/1802.03426.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import StorageError, TransitiveError
from graph.records import Progress
from workers.lifeline import die_with_parent

NEIGHBOURS = 15  # UMAP's default
SEED = 0
_WAKE_S = 1.0  # between two checks for cancellation
_LIMIT_S = 3600.0  # 100,000 patches take some minutes on one core
_ROOT = Path(__file__).parents[2]


def umap_isolated(vectors: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
    """Return UMAP's positions (N, 2) of the vectors (N, E); `progress` is called every second.

    Raises what `progress` raises, after the child was ended, and `StorageError` or `TransitiveError` if the child fails
    or takes more than an hour.
    """
    with tempfile.TemporaryDirectory(prefix="transitive-map-") as name:
        folder = Path(name)
        try:
            np.save(folder / "vectors.npy", vectors)
        except OSError as error:
            raise StorageError(f"{folder} could not be written: {error.strerror}. Free some space.") from error
        _run(folder, progress)
        return np.asarray(np.load(folder / "places.npy", allow_pickle=False), np.float32)


def _run(folder: Path, progress: Progress) -> None:
    reading, lifeline = os.pipe()
    with (folder / "errors").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "workers.stages.layout", str(folder), str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[reading],
            cwd=_ROOT,
        )
    os.close(reading)
    begin = time.monotonic()
    try:
        while child.poll() is None:
            progress("laying out", 0, 0, "patches")
            if time.monotonic() - begin > _LIMIT_S:
                raise TransitiveError(f"The map took more than {_LIMIT_S / 60:.0f} minutes and was given up.")
            try:
                child.wait(_WAKE_S)
            except subprocess.TimeoutExpired:
                continue
    finally:
        child.kill()
        child.wait()
        os.close(lifeline)
    if child.returncode:
        lines = (folder / "errors").read_text(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {child.returncode}; memory may be short"
        raise TransitiveError(f"The map could not be computed ({reason}).")


def main(folder: Path, lifeline: int) -> None:
    """Read vectors.npy in `folder` and write places.npy."""
    die_with_parent(lifeline)
    import umap  # imported here, because its compiler takes seconds to load

    model: Any = umap.UMAP(n_neighbors=NEIGHBOURS, min_dist=0.1, init="pca", random_state=SEED, n_jobs=1)
    np.save(folder / "places.npy", model.fit_transform(np.load(folder / "vectors.npy", allow_pickle=False)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
