"""The picture detection.png: some test pictures with their objects in green, and detections in red with scores."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation.detection.average_precision import Found
from training.evaluation.detection.dataset import Labelled, read_stored

_SHOWN, _LEAST_SCORE = 4, 0.3
_WIDTH, _GAP, _TITLE = 320, 4, 16  # pixels
_TRUE, _FOUND = "#2a9d3a", "#d62728"
_LEGEND = "green: annotated objects · red: detections with a score of at least"


def draw_detections(pictures: Sequence[Labelled], found: Sequence[Found], classes: Sequence[str]) -> Image.Image:
    """Draw four pictures, spread evenly over the list: lists are often sorted by class.

    Detections with a score below 0.3 are left out.
    """
    rows = np.unique(np.linspace(0, len(pictures) - 1, _SHOWN).round().astype(np.int64))
    drawn = [_draw(pictures[row], found[row], classes) for row in rows]
    size = ((_WIDTH + _GAP) * len(drawn), _TITLE + max(one.height for one in drawn))
    sheet = Image.new("RGB", size, "white")
    ImageDraw.Draw(sheet).text((2, 2), f"{_LEGEND} {_LEAST_SCORE:g}", fill="black")
    for place, picture in enumerate(drawn):
        sheet.paste(picture, ((_WIDTH + _GAP) * place, _TITLE))
    return sheet


def _draw(one: Labelled, here: Found, classes: Sequence[str]) -> Image.Image:
    """Resize a picture to the width of the sheet, and then draw, so that lines and letters keep their size."""
    stored = read_stored(one)
    factor = _WIDTH / stored.width
    picture = stored.resize((_WIDTH, max(1, round(stored.height * factor))))
    draw = ImageDraw.Draw(picture)
    for box in one.boxes:
        draw.rectangle(tuple(box * factor), outline=_TRUE, width=2)
    for box, label, score in zip(here.boxes, here.labels, here.scores, strict=True):
        if score >= _LEAST_SCORE:
            draw.rectangle(tuple(box * factor), outline=_FOUND, width=2)
            text, corner = f"{classes[label - 1]} {score:.2f}", (box[0] * factor + 2, box[1] * factor + 2)
            draw.rectangle(draw.textbbox(corner, text), fill=_FOUND)
            draw.text(corner, text, fill="white")
    return picture
