"""Validation of names that become parts of file paths: models, videos and shards.

Such names come from imports, model cards, URLs and command lines. Each of these calls this module, so that no name
points outside its folder.
"""

import re

from graph.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,149}")


def require_name(kind: str, text: object) -> str:
    """Return `text`; raises `InvalidInput` unless it is a name of letters, digits and `. _ : + -`.

    Args:
        kind: what is named, for the message, such as "model id".
        text: the name to check.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{text!r} is not a {kind}. A {kind} begins with a letter or digit and "
            "has at most 150 characters: letters, digits and . _ : + -."
        )
    return text


def require_inside(path: str) -> str:
    """Return `path`; raises `InvalidInput` unless it is relative and stays below the folder it is joined to."""
    if path.startswith(("/", "\\")) or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"{path!r} is not a relative path below its folder.")
    return path
