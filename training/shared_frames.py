"""A sequence of encoded frames in one block of memory that several processes read."""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray


class SharedFrames(Sequence[bytes]):
    """Encoded pictures; an unpickled copy maps the same memory instead of copying it.

    The process that made the memory owns it: it is freed with that process, also after a kill. A copy can only be
    unpickled while that process lives.
    """

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._ends = np.cumsum([len(frame) for frame in frames], dtype=np.int64)
        self._file = os.memfd_create("frames")  # a container limits /dev/shm to 64 MB; this has no limit but memory
        with os.fdopen(os.dup(self._file), "wb") as out:
            out.writelines(frames)
        self._path = f"/proc/{os.getpid()}/fd/{self._file}"
        self._bytes = _mapped(self._path)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        row = range(len(self))[place]  # raises IndexError
        begin = int(self._ends[row - 1]) if row else 0
        return self._bytes[begin : int(self._ends[row])]

    def __getstate__(self) -> tuple[NDArray[np.int64], str]:
        return self._ends, self._path

    def __setstate__(self, state: tuple[NDArray[np.int64], str]) -> None:
        self._ends, self._path = state
        self._bytes = _mapped(self._path)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)


def _mapped(path: str) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
