"""A lock file, so that two evaluations never write to one folder.

The kernel releases the lock when the process ends, even if it is killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from graph.errors import Conflict, StorageError


@contextmanager
def evaluation_lock(folder: Path, measure: str) -> Iterator[None]:
    """Hold `folder`/`measure`.lock for the block.

    Raises `Conflict` if another process holds it, `StorageError` if the folder cannot be written.
    """
    lock = FileLock(folder / f"{measure}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise Conflict(
            f"Another evaluation of {measure} is running in {folder}. Wait for it, or give another --output."
        ) from None
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror}). Give another --output.") from None
    try:
        yield
    finally:
        lock.release()
