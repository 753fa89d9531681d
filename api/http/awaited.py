"""The bytes that open resumable uploads have announced and not sent yet. The disk must have room for them too."""

import json
from contextlib import suppress
from pathlib import Path


def awaited_bytes(folder: Path) -> int:
    """Return the sum over the uploads in `folder` (see `resumable.py` for the files)."""
    total = 0
    for part in folder.glob("*.upload"):
        with suppress(FileNotFoundError, ValueError):  # removed or completed in the meantime
            total += max(0, json.loads(part.with_suffix(".json").read_text())["length"] - part.stat().st_size)
    return total
