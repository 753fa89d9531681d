"""The picture normals.png: some test pictures, each beside its true and its predicted normals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.evaluation.normals.data import Scene

SHOWN = 4  # test pictures in the sheet
_TITLE = 16  # pixels
_TITLES = ("picture", "normals from depth", "predicted")


def shown_rows(count: int) -> list[int]:
    """Return the positions of the shown pictures, spread evenly over `count`: consecutive frames look alike."""
    rows: list[int] = np.unique(np.linspace(0, count - 1, SHOWN).round().astype(np.int64)).tolist()
    return rows


def draw_normals(shown: Sequence[tuple[Scene, NDArray[np.float32]]]) -> Image.Image:
    """Draw each scene with its predicted normals (H, W, 3) as a row; pixels without a true normal are black there.

    The colours red, green, blue are the components x, y, z from −1 to 1.
    """
    rows = []
    for scene, found in shown:
        truth = np.where(scene.valid[..., None], (scene.normals + 1) * 127.5, 0)
        rows.append(np.concatenate([scene.colours, truth, (found + 1) * 127.5], axis=1))
    pixels = np.concatenate(rows).astype(np.uint8)
    sheet = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + _TITLE), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(_TITLES):
        draw.text((2 + column * pixels.shape[1] // len(_TITLES), 2), title, fill="black")
    sheet.paste(Image.fromarray(pixels), (0, _TITLE))
    return sheet
