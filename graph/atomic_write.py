"""Atomic file replacement: a reader, a crash or a power cut sees the old file or the whole new one.

The new content goes to a temporary file of a random name beside the target, so that two writers never share one. That
file is flushed to the disk (fsync) before it is renamed, and the folder afterwards. The last writer wins.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from graph.errors import StorageError

TEMPORARY_SUFFIX = ".partial"  # of files left by a process that was killed while it wrote
PRIVATE, SHARED = 0o600, 0o666  # modes; the process's umask applies


def atomic_write(path: Path, data: bytes | str, mode: int = SHARED) -> None:
    """Replace the content of `path` by `data` (text in UTF-8); raises `StorageError`, e.g. for a full disk."""
    with replacement(path, mode) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacement(path: Path, mode: int = SHARED) -> Iterator[Path]:
    """Yield an empty temporary file to write to, and move it to `path` when the block ends without an exception.

    For writers that need a path or an open file. Raises `StorageError` where the file cannot be written; any exception
    of the block removes the temporary file and leaves `path` as it was.
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
        with suppress(OSError):  # already moved, or never made
            temporary.unlink()


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
