"""File names made from the names of videos."""

import re
from pathlib import PurePath

from graph.records import Video

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def file_stem(video: Video) -> str:
    """Return a file name without suffix: the video's name in ASCII, and the first digits of its id."""
    stem = _UNSAFE.sub("_", PurePath(video.name).stem).strip("._")[:100]
    return f"{stem or 'video'}-{video.id[:8]}"
