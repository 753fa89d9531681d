"""Gates that refuse a window before motion is measured: static pictures and screen recordings."""

from collections.abc import Sequence

import cv2
import numpy as np

from workers.mining.boxes import Area
from workers.mining.recipe import Mining
from workers.mining.view import Luma

_BLOCK = 16  # luma pixels
_AROUND, _ONE_GREY = np.ones((3, 3), np.uint8), 0.5
_SOLID, _MOST_SOLID = np.ones((7, 7), np.uint8), 0.75  # luma pixels; share of the pixels that are not flat
_BAR = 24  # luma; black of studio range is 16


def picture_area(lumas: Sequence[Luma]) -> Area:
    """Trim rows and columns at the edges that are black in all of `lumas`; returns the whole picture if it is black."""
    brightest = np.max(np.stack(lumas), axis=0)
    height, width = brightest.shape
    rows = np.flatnonzero(np.percentile(brightest, 95, axis=1) > _BAR)
    columns = np.flatnonzero(np.percentile(brightest, 95, axis=0) > _BAR)
    if len(rows) < height // 4 or len(columns) < width // 4:
        return Area(0, 0, width, height)
    return Area(
        int(columns[0]) and int(columns[0]) + 2,
        int(rows[0]) and int(rows[0]) + 2,
        int(columns[-1]) + 1 - 2 * (columns[-1] < width - 1),
        int(rows[-1]) + 1 - 2 * (rows[-1] < height - 1),
    )


def still_reason(lumas: Sequence[Luma], recipe: Mining) -> str:
    """Refuse a window whose first, middle and last frames are the same picture."""
    first, middle, last = lumas[0], lumas[len(lumas) // 2], lumas[-1]
    # The largest block counts, so that one small mover on a still scene passes.
    most = max(_block_change(first, middle), _block_change(first, last))
    return "static" if most < 4 * recipe.static else ""


def screen_reason(luma: Luma, area: Area) -> str:
    """Refuse a window that shows text and lines on exactly one grey: a screen recording, slides, a title.

    The largest share of one grey is .57 in the screen recording of ../shared/data/videos_hard. In 235 real clips, it is
    above .5 only in titles and slides. Objects on a plain ground are solid: opening keeps .85 of their pixels or more,
    and at most .63 of what such screens show.
    """
    shown = np.ascontiguousarray(luma[area.top : area.bottom, area.left : area.right])
    flat = cv2.dilate(shown, _AROUND) == cv2.erode(shown, _AROUND)
    if np.bincount(shown[flat], minlength=1).max() <= _ONE_GREY * shown.size:
        return ""
    drawn = (~flat).astype(np.uint8)
    solid = cv2.morphologyEx(drawn, cv2.MORPH_OPEN, _SOLID)
    return "" if solid.sum() > _MOST_SOLID * max(1, int(drawn.sum())) else "screen recording"


def _block_change(a: Luma, b: Luma) -> float:
    height, width = a.shape[0] // _BLOCK, a.shape[1] // _BLOCK
    change = cv2.absdiff(a, b)[: height * _BLOCK, : width * _BLOCK]
    return float(cv2.resize(change, (width, height), interpolation=cv2.INTER_AREA).max())
