"""The picture sheet of figure 8: one row of six patches per unit; pixels that hardly affect the response are dark."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.pictures import SIDE

_GAP, _TITLE = 4, 70
_DARK = 0.25  # brightness outside the field


def draw_sheet(rows: Sequence[tuple[str, NDArray[np.uint8], NDArray[np.float32]]], threshold: float) -> Image.Image:
    """Draw rows of a title, patches (K, 96, 96, 3), and how much their pixels count (K, 96, 96).

    Pixels that count less than `threshold` are darkened, as in Zhou et al. 2015.
    """
    most = max((len(pictures) for _, pictures, _ in rows), default=0)
    sheet = Image.new("RGB", (_TITLE + most * (SIDE + _GAP), len(rows) * (SIDE + _GAP) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (title, pictures, fields) in enumerate(rows):
        top = _GAP + place * (SIDE + _GAP)
        draw.text((4, top + SIDE // 2 - 6), title, fill="black")
        for column, (picture, field) in enumerate(zip(pictures, fields, strict=True)):
            light = np.where(field >= threshold, 1.0, _DARK)[..., None]
            sheet.paste(Image.fromarray((picture * light).astype(np.uint8)), (_TITLE + column * (SIDE + _GAP), top))
    return sheet
