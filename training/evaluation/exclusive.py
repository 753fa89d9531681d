"""A lock file that keeps two evaluations out of one folder.

The kernel frees it when its process ends, killed or not.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graph.errors import Conflict, StorageError


@contextmanager
def alone_in(folder: Path, measure: str) -> Iterator[None]:
    """Hold `folder`/`measure`.lock for the block.

    Raises `Conflict` where another process holds it, `StorageError` where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"{measure}.lock").open("w")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror}). Give another --output.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"Another evaluation of {measure} is running in {folder}. Wait for it, or give another --output."
            ) from None
        yield
