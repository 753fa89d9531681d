"""Shortening of absolute paths in texts, so that readers do not see the server's folders."""

import re

# an absolute path with at least one folder; not the path of a URL, and not a part of a longer word
_PATH = re.compile(r"(?<![\w:/.…-])/(?:[^\s/:;,'\"()]+/)+(?=[^\s/]|$|\s)")


def without_folders(text: str) -> str:
    """Return the text with each absolute path cut to its last part, as in "…/clip.mp4"."""
    return _PATH.sub("…/", text)
