"""Track starts stored as columns: everything about a sample that linking uses besides its vector.

Rows are sorted by id, so a linking does not depend on the order of its patches. Ten million samples take 1 GB as
columns, and 5 GB as Python records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.records import Patch

PART_ROWS = 8192  # minimum of starts per part: 75 MB of pool5


@dataclass(frozen=True, slots=True)
class TrackStarts:
    """The first patches (A) of N tracks, sorted by id."""

    ids: list[str]
    videos: list[str]  # video of each start
    owners: list[str]  # video of each start, or the first of that video's re-encodings
    frames: NDArray[np.int64]  # (N,)
    boxes: NDArray[np.int64]  # (N, 4) x, y, w, h

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> "TrackStarts":
        """Return these rows (ascending, so that the ids stay sorted)."""
        names, videos, owners = ([column[row] for row in rows] for column in (self.ids, self.videos, self.owners))
        return TrackStarts(names, videos, owners, self.frames[rows], self.boxes[rows])

    def parts(self) -> list[NDArray[np.int64]]:
        """Return the rows of each part, sorted by video and id. A part has whole videos and at least `PART_ROWS` rows.

        The result of a part depends on that part only, so it is the same on every machine and in any order.
        """
        _, codes = np.unique(np.asarray(self.videos, dtype=object), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes)
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        return [order[bounds[first] : bounds[last]] for first, last in whole(sizes.tolist())]

    def digest(self) -> str:
        """Return a hash of the starts: 16 hexadecimal digits."""
        state = blake2b("\n".join([*self.ids, *self.owners]).encode(), digest_size=8)
        state.update(self.frames.tobytes() + self.boxes.tobytes())
        return state.hexdigest()


def track_starts_of(
    patches: Sequence[Patch], reencodings: Mapping[str, str] | None = None
) -> tuple[TrackStarts, NDArray[np.int64]]:
    """Return the track starts among `patches` and their positions (N,); raises `InvalidInput` for a duplicate."""
    rows = sorted((i for i, patch in enumerate(patches) if patch.role == "start"), key=lambda i: patches[i].id)
    found = [patches[i] for i in rows]
    ids = [patch.id for patch in found]
    if len(set(ids)) != len(ids):
        raise InvalidInput("The patches contain a duplicate. Give each patch once.")
    boxes = np.array([(patch.x, patch.y, patch.w, patch.h) for patch in found], np.int64).reshape(-1, 4)
    videos = [patch.video_id for patch in found]
    owners = [(reencodings or {}).get(video, video) for video in videos]
    frames = np.array([patch.frame for patch in found], np.int64)
    return TrackStarts(ids, videos, owners, frames, boxes), np.array(rows, np.int64)


def whole(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Group consecutive items of these sizes into groups of `PART_ROWS` or more rows; returns ranges [first, last)."""
    found = []
    first = held = 0
    for number, size in enumerate(sizes, 1):
        held += size
        if held >= PART_ROWS or number == len(sizes):
            found.append((first, number))
            first = number
            held = 0
    return found
