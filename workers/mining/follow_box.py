"""Tracking of one given box through a video, frame by frame, in stored pixels."""

from math import isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from graph.errors import InvalidInput
from graph.records import Progress, no_progress
from workers.mining.decode import Clip, Frame
from workers.mining.kcf import BatchedKCF
from workers.mining.opencv_kcf import OpenCVKCF
from workers.mining.pixels import Pixels
from workers.mining.recipe import Limits, Mining
from workers.mining.sheet import write_png

TRACKERS = ("batched-kcf", "cv2-kcf")
Box = tuple[float, float, float, float]

_SIDE = 56.0  # maximum side of the box in luma pixels, like the core of a mined object
_TILE = 240  # width of a frame on the sheet, in pixels


def follow_box(
    path: Path,
    limits: Limits,
    progress: Progress = no_progress,
    *,
    frame: int,
    box: Box,
    frames: int = 30,
    tracker: str = TRACKERS[0],
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Track the box x, y, w, h from `frame` (counted from 0) for `frames` frames.

    The result has one entry in `boxes` and in `peaks` for each frame after the first; `sheet` is written as a PNG.

    Raises:
        BadVideo: the file cannot be read as a video.
        InvalidInput: the frame does not exist, or the box or the tracker is invalid.
    """
    if tracker not in TRACKERS:
        raise InvalidInput(f"Unknown tracker {tracker}. Use one of: {', '.join(TRACKERS)}.")
    if frames < 1 or frame < 0:
        raise InvalidInput("The first frame must be at least 0, and the number of frames at least 1.")
    if not all(isfinite(number) for number in box) or min(box[2:]) < 4:
        raise InvalidInput("The box must be at least 4 pixels wide and high: X,Y,W,H.")
    cv2.setNumThreads(1)
    every_frame = Mining(full_rate=float("inf"))
    scale = min(1.0, _SIDE / float(np.sqrt(box[2] * box[3])))
    seen: list[tuple[Frame, Box, float]] = []
    with Clip(path, limits, every_frame, scale) as clip:
        following: BatchedKCF | OpenCVKCF | None = None
        for here in clip.frames():
            if here.index < frame:
                continue
            if following is None:
                _check(box, clip)
                following = _start(tracker, here, box, clip)
                seen.append((_kept(here, sheet), box, 1.0))
                continue
            peak = float(following.update([_look(tracker, here)])[0])
            centre = following.centres[0] / (clip.scales if tracker == TRACKERS[0] else 1)
            size = following.sizes[0] / (clip.scales if tracker == TRACKERS[0] else 1)
            seen.append((_kept(here, sheet), (*(centre - size / 2), *size), peak))
            progress("track", len(seen) - 1, frames, "frames")
            if len(seen) > frames:
                break
    if not seen:
        raise InvalidInput(f"{path.name} has no frame {frame}: it has {clip.decoded}, counted from 0.")
    if len(seen) == 1:
        raise InvalidInput(f"{path.name} ends at frame {frame}, so the box cannot be tracked. Name an earlier frame.")
    if sheet is not None:
        write_png(sheet, _drawn(seen))
    return {
        "video": path.name,
        "frame": frame,
        "tracker": tracker,
        "box": list(box),
        "boxes": [[round(float(v), 2) for v in found] for _, found, _ in seen[1:]],
        "peaks": [round(peak, 4) for _, _, peak in seen[1:]],
    }


def _check(box: Box, clip: Clip) -> None:
    x, y, w, h = box
    if x >= clip.width or y >= clip.height or x + w <= 0 or y + h <= 0:
        raise InvalidInput(f"The box is outside the picture, which has {clip.width}×{clip.height} pixels.")


def _start(tracker: str, here: Frame, box: Box, clip: Clip) -> BatchedKCF | OpenCVKCF:
    corner, size = np.array([box[:2]]), np.array([box[2:]])
    if tracker == TRACKERS[0]:
        return BatchedKCF([here.luma], (corner + size / 2) * clip.scales, size * clip.scales)
    return OpenCVKCF([here.colour()], corner + size / 2, size)


def _look(tracker: str, here: Frame) -> Pixels:
    return here.luma if tracker == TRACKERS[0] else here.colour()


def _kept(here: Frame, sheet: Path | None) -> Frame:
    return here if sheet is not None else here.without_picture()


def _drawn(seen: list[tuple[Frame, Box, float]], columns: int = 6) -> Pixels:
    """Return a picture of all frames in rows, with the box drawn on each."""
    tiles = []
    for here, box, peak in seen:
        colour = np.ascontiguousarray(here.colour())
        factor = _TILE / colour.shape[1]
        tile = cv2.resize(colour, (_TILE, max(1, round(colour.shape[0] * factor))), interpolation=cv2.INTER_AREA)
        x, y, w, h = (round(v * factor) for v in box)
        cv2.rectangle(tile, (x, y), (x + w, y + h), (80, 220, 80), 1)
        text = f"{here.index}  {peak:.2f}"
        cv2.putText(tile, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(np.asarray(tile, np.uint8))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)
