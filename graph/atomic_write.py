"""Atomic file replacement: after a crash or power cut, the path holds the old content or the whole new content.

The new content goes to a temporary file with a random name beside the target, so two writers never share one. The
temporary file is flushed to disk (fsync) and then renamed; the folder is flushed after that. The last writer wins.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from graph.errors import StorageError

TEMPORARY_SUFFIX = ".partial"  # a process that is killed while writing leaves a file with this suffix
PRIVATE, SHARED = 0o600, 0o666  # file modes, before the process's umask


def atomic_write(path: Path, data: bytes | str, mode: int = SHARED) -> None:
    """Replace the content of `path` with `data` (text as UTF-8); raises `StorageError`, e.g. when the disk is full."""
    with replacement(path, mode) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacement(path: Path, mode: int = SHARED) -> Iterator[Path]:
    """Yield the path of an empty temporary file, and move that file to `path` when the block succeeds.

    This is for writers that need a path or an open file. Raises `StorageError` when the file cannot be written. If the
    block raises, the temporary file is removed and `path` stays unchanged.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. Check the folder's free space and permissions, "
            "then run the command again."
        ) from None
    finally:
        with suppress(OSError):  # already renamed, or never created
            temporary.unlink()


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
