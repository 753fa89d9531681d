"""Object proposals by selective search (Uijlings et al. 2013), kept in a file per picture.

Fast R-CNN's tables use its fast mode (Girshick 2015). A picture that has a file is not searched again.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from graph.atomic_write import replacement
from graph.errors import InvalidInput
from graph.records import Progress, no_progress

MOST = 2000  # proposals of a picture, the best ranked
_LONGEST = 500  # maximum side in pixels, as in VOC; the time grows faster than the number of pixels


def propose(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the proposals of a BGR picture (H, W, 3): (P, 4) left, top, right, bottom in its pixels."""
    factor = min(1.0, _LONGEST / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else picture
    cv2.setRNGSeed(0)  # its ranking is random
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(small)
    search.switchToSelectiveSearchFast()
    boxes = np.array(search.process()[:MOST], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    found: NDArray[np.float32] = boxes / np.float32(factor)
    return found


def propose_for(pictures: Sequence[tuple[str, Path]], folder: Path, progress: Progress = no_progress) -> None:
    """Write the proposals of every (id, file) to `folder`/ID.npy with all cores.

    Raises `InvalidInput` for a picture that cannot be read; those before it are kept.
    """
    missing = [(file, folder / f"{name}.npy") for name, file in pictures if not (folder / f"{name}.npy").is_file()]
    done = len(pictures) - len(missing)
    if not missing:
        return
    with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        try:
            for number, _ in enumerate(pool.map(_propose_file, *zip(*missing, strict=True)), start=1):
                progress("selective search", done + number, len(pictures), "pictures")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _propose_file(file: Path, target: Path) -> None:
    cv2.setNumThreads(1)
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise InvalidInput(f"{file} is not a readable picture. Copy it again.")
    with replacement(target) as temporary, temporary.open("wb") as writer:
        np.save(writer, propose(picture.astype(np.uint8, copy=False)))
