"""detection.png: test pictures side by side, objects in green and detections in red with their scores."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from training.evaluation.detection.average_precision import Found
from training.evaluation.detection.dataset import Labelled, read_stored

_SHOWN, _LEAST_SCORE = 4, 0.3
_WIDTH, _GAP = 320, 4  # pixels


def draw_detections(pictures: Sequence[Labelled], found: Sequence[Found], classes: Sequence[str]) -> Image.Image:
    """Return the first four pictures; detections with a score below 0.3 are left out."""
    drawn = []
    for one, here in list(zip(pictures, found, strict=True))[:_SHOWN]:
        picture = read_stored(one)
        draw = ImageDraw.Draw(picture)
        for box in one.boxes:
            draw.rectangle(tuple(box), outline="#2a9d3a", width=2)
        for box, label, score in zip(here.boxes, here.labels, here.scores, strict=True):
            if score >= _LEAST_SCORE:
                draw.rectangle(tuple(box), outline="#d62728", width=2)
                draw.text((box[0] + 3, box[1] + 2), f"{classes[label - 1]} {score:.2f}", fill="#d62728")
        drawn.append(picture.resize((_WIDTH, max(1, round(picture.height * _WIDTH / picture.width)))))
    sheet = Image.new("RGB", ((_WIDTH + _GAP) * len(drawn), max(one.height for one in drawn)), "white")
    for place, picture in enumerate(drawn):
        sheet.paste(picture, ((_WIDTH + _GAP) * place, 0))
    return sheet
