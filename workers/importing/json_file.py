"""JSON files that other tools wrote: the parsed content, and numbers in it that can be relied on."""

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from graph.errors import InvalidInput


def read_json(file: Path) -> Any:
    """Return the content of a file, which callers must not change; raises `InvalidInput` if it is no readable JSON."""
    return _read(file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=1)  # a worker reads a file of many videos once, not once per video
def _read(file: Path, changed: int) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # also wrong UTF-8, and lists in lists without end
        raise InvalidInput(f"{file} is not JSON ({error}).") from None


def finite(value: Any) -> float | None:
    """Return a number as a float; None for anything else, also for NaN and infinity, which Python's JSON accepts."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def rectangle(value: Any) -> tuple[float, float, float, float] | None:
    """Return a list of four finite numbers as x, y, width and height; None for anything else."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    x, y, w, h = (finite(number) for number in value)
    return None if x is None or y is None or w is None or h is None else (x, y, w, h)


def trust_of(score: Any) -> float:
    """Return a score as a confidence from 0 to 1; 1 if it is no number."""
    known = finite(score)
    return 1.0 if known is None else min(max(known, 0.0), 1.0)
