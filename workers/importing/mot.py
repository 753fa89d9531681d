"""Reader of MOTChallenge text: one row per box, `frame,id,left,top,width,height[,confidence,…]`, frames and ids from 1.

The format is that of https://motchallenge.net: ground truth (gt/gt.txt), whose seventh number is 0 for rows that do
not count, and results of trackers, whose seventh number is a score or -1. Detections (det/det.txt) have the id -1.
"""

import math
from collections import Counter
from pathlib import Path

from graph.errors import InvalidInput
from training.pictures import SUFFIXES
from workers.importing.media import picture_files
from workers.importing.sequences import FIRST_FRAME, TrackedBox, TrackedSequence, gather_tracks

_NUMBERS = 6  # of a row: frame, id, left, top, width, height
_CONFIDENCE = 6  # column of the confidence


def read_mot(file: Path, media: Path | None) -> list[TrackedSequence]:
    """Read one file of rows.

    Args:
        file: the rows.
        media: the video, or the folder of its frames; None: the folder img1 of the sequence, as in MOTChallenge.

    Raises:
        InvalidInput: there are no tracks, a row is invalid, or there is no video.
    """
    rows: list[tuple[str, TrackedBox, str]] = []
    left_out: Counter[str] = Counter()
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        values = _values(file, number, line)
        where = f"line {number}"
        frame, identity = int(values[0]), int(values[1])
        if frame < FIRST_FRAME["mot"]:
            raise InvalidInput(f"{file.name}, {where}: frame {frame}. MOTChallenge counts frames from 1.")
        given = values[_CONFIDENCE] if len(values) > _CONFIDENCE else 1.0
        if identity < 0:
            left_out["detections without an id"] += 1
        elif given == 0:
            left_out["rows that do not count (confidence 0)"] += 1
        else:
            box = (values[2] - 1, values[3] - 1, values[4], values[5])  # MOTChallenge counts pixels from 1 too
            confidence = min(given, 1.0) if given > 0 else 1.0  # -1: not known
            rows.append((str(identity), TrackedBox(frame - FIRST_FRAME["mot"], box, confidence), where))
    if not rows:
        detections = " Its rows are detections (id -1). Give a tracker's result." if left_out else ""
        raise InvalidInput(f"{file} holds no tracks.{detections}")
    tracks = gather_tracks(file.name, rows)
    folder = file.parent.parent if file.parent.name in ("gt", "det") else file.parent
    name = folder.name if folder != file.parent else file.stem
    where_from = media or folder / "img1"
    if where_from.is_file():
        return [TrackedSequence(name, "mot", file, tracks, video=where_from, left_out=left_out)]
    if not where_from.is_dir():
        raise InvalidInput(f"There is no video of {file}: {where_from} is missing. Name it: --video FILE or FOLDER.")
    pictures = picture_files(where_from)
    if not pictures:
        raise InvalidInput(f"{where_from} holds no picture ({', '.join(SUFFIXES)}).")
    return [TrackedSequence(name, "mot", file, tracks, pictures=pictures, left_out=left_out)]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not a readable text file ({error}).") from None


def _values(file: Path, number: int, line: str) -> list[float]:
    try:
        values = [float(text) for text in line.replace(";", ",").rstrip().rstrip(",").split(",")]
    except ValueError:
        values = []
    if len(values) < _NUMBERS or not all(map(math.isfinite, values)) or any(value % 1 for value in values[:2]):
        raise InvalidInput(
            f"{file.name}, line {number}: {line.strip()[:60]!r} is not a row of MOTChallenge: "
            "frame,id,left,top,width,height[,confidence,…]."
        )
    return values
