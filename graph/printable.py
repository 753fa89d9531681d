"""Conversion of file names to text that a terminal, a page and the database can hold.

A file name on Linux is any bytes: control characters, terminal escapes, and bytes that are not UTF-8. Python holds the
last as lone surrogates, which can be neither stored in Neo4j nor written in UTF-8.
"""

import unicodedata

REPLACEMENT = "\ufffd"

_HARMFUL = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, surrogates, line and paragraph separators
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # make a name read as another


def printable(text: str, keep: str = "") -> str:
    """Replace every control character, direction override and lone surrogate with U+FFFD, except those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(REPLACEMENT if c not in keep and _is_harmful(c) else c for c in text)


def _is_harmful(character: str) -> bool:
    return character in _BIDIRECTIONAL or unicodedata.category(character) in _HARMFUL
