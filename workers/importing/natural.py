"""Natural order of files: view2 comes before view10."""

import re
from collections.abc import Iterable
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort paths by their names, with runs of digits compared as numbers."""
    return sorted(paths, key=lambda path: [_key(part) for part in _DIGITS.split(path.name)] + [(0, 0, path.name)])


def _key(part: str) -> tuple[int, int, str]:
    return (1, int(part), "") if part.isdecimal() else (0, 0, part)
