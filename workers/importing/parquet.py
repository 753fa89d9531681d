"""Reader of patches.parquet and tracks.parquet of `transitive export --format parquet`.

The column jpeg and the other tables are not read: the patches are cut out of the video again.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import InvalidInput
from workers.importing.exported import ExportedPatch, exported_sequences
from workers.importing.json_file import trust_of
from workers.importing.sequences import TrackedSequence


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_whole(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_Kind = Callable[[Any], bool]
_PATCHES: dict[str, _Kind] = {
    **dict.fromkeys(("id", "video_id", "video_name", "role"), _is_text),
    **dict.fromkeys(("frame", "track"), _is_whole),
    **dict.fromkeys(("x", "y", "w", "h"), _is_number),
}
_TRACKS: dict[str, _Kind] = {"start_id": _is_text, "end_id": _is_text, "confidence": _is_number}


def read_parquet(folder: Path, media: Path | None) -> list[TrackedSequence]:
    """Read the sequences of all videos.

    Args:
        folder: the folder with patches.parquet and tracks.parquet.
        media: folder of the videos, or the file of the only video; None: `folder`.

    Raises:
        InvalidInput: a table or a column is missing or has another form, or a video is missing.
    """
    file = folder / "patches.parquet"
    patches, tracks = _table(file, _PATCHES), _table(folder / "tracks.parquet", _TRACKS)
    rows = {patch["id"]: patch for patch in patches}
    if len(rows) < len(patches):
        raise InvalidInput(f"{file.name}: {len(patches) - len(rows)} ids occur twice.")
    start_of: dict[str, str] = {}
    confidence: dict[str, float] = {}
    for track in tracks:
        start, end, trust = track["start_id"], track["end_id"], trust_of(track["confidence"])
        for one, role in ((start, "start"), (end, "end")):
            if one not in rows or rows[one]["role"] != role:
                raise InvalidInput(f"tracks.parquet names the {role} {one[:60]}, which {file.name} does not have.")
        start_of[start], start_of[end] = start, start
        confidence[start], confidence[end] = max(trust, confidence.get(start, 0.0)), trust
    names: dict[str, str] = {}
    found = []
    left_out: dict[str, Counter[str]] = defaultdict(Counter)
    for identity, patch in rows.items():
        video, box = patch["video_id"], (patch["x"], patch["y"], patch["w"], patch["h"])
        if patch["frame"] < 0 or not all(map(math.isfinite, box)):
            raise InvalidInput(f"{file.name}, patch {identity[:60]}: the frame or the box is not a number from 0.")
        names[video] = patch["video_name"]
        if identity not in start_of:
            left_out[video]["patches without a track"] += 1
            continue
        track_name = f"{video[:8]}-{rows[start_of[identity]]['track']}"  # as in the export for FiftyOne
        x, y, w, h = map(float, box)
        where = f"patch {identity[:60]}"
        one = ExportedPatch(video, track_name, patch["role"], patch["frame"], (x, y, w, h), confidence[identity], where)
        found.append(one)
    return exported_sequences(file, "parquet", names, found, media, left_out)


def _table(file: Path, kinds: Mapping[str, _Kind]) -> list[dict[str, Any]]:
    if not file.is_file():
        raise InvalidInput(f"There is no {file}. Give the folder that `transitive export --format parquet` wrote.")
    return _read(file, file.stat().st_mtime_ns, tuple(kinds.items()))


@lru_cache(maxsize=2)  # a worker reads the tables of many videos once, not once per video
def _read(file: Path, changed: int, kinds: tuple[tuple[str, _Kind], ...]) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(file) as opened:
            missing = [name for name, _ in kinds if opened.schema_arrow.get_field_index(name) < 0]
            if missing:  # also if two columns have this name
                raise InvalidInput(f"{file} lacks the column {', '.join(missing)}.")
            table = opened.read(columns=[name for name, _ in kinds])
    except OSError as error:  # damaged pages too
        raise InvalidInput(f"{file} cannot be read ({_line(error)}).") from None
    except pa.ArrowException as error:
        raise InvalidInput(f"{file} is not Parquet ({_line(error)}).") from None
    for name, fits in kinds:
        column = table.column(name)
        if not fits(column.type) or column.null_count:
            raise InvalidInput(f"{file}: the column {name} has another type ({column.type}) or rows without a value.")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
