"""The form of the names that become parts of file paths: models, videos and shards.

A name reaches a path from an import, a model card, an address or a command line. Every such door checks the name here,
so that no name leaves the folder it belongs to.
"""

import re

from graph.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,149}")


def require_name(kind: str, text: object) -> str:
    """Return `text`; raises `InvalidInput` unless it is a name of letters, digits and `. _ : + -`.

    Args:
        kind: what the name is of, for the message, such as "model id".
        text: the name as it came in.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{text!r} is no {kind}. A {kind} begins with a letter or digit and "
            "has at most 150 letters, digits and . _ : + -."
        )
    return text


def require_inside(path: str) -> str:
    """Return `path`; raises `InvalidInput` unless it is relative and stays below the folder it is joined to."""
    if path.startswith(("/", "\\")) or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"{path!r} is no name of a file below its folder.")
    return path
