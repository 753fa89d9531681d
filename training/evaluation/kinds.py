"""The kind of object in each video: a table of labels for measuring, and nearest neighbours of other videos by kind.

No linking and no training reads these labels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from training.source import PatchTable

_BLOCK = 1024  # queries compared at once


def read_kinds(file: Path) -> dict[str, str]:
    """Read a TSV of video names and kinds; raises `InvalidInput` for a line without a tab."""
    if not file.is_file():
        raise InvalidInput(f"{file} is not a file. Give a TSV with a video's name and its kind in each line.")
    rows = [line.split("\t") for line in file.read_text().splitlines() if line.strip()]
    if bad := next((row for row in rows if len(row) < 2), None):
        raise InvalidInput(f"{file}: {bad[0]!r} has no kind. Each line holds a video's name, a tab and its kind.")
    return {row[0]: row[1].strip() for row in rows}


def known_starts(table: PatchTable, kinds: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of the tracks' starts in videos of a known kind; `kinds` go by the video's number, "" unknown."""
    named = np.array([kind != "" for kind in kinds])
    starts = table.track == np.arange(len(table.ids))
    return np.flatnonzero(starts & named[table.video])


def neighbours_by_kind(
    vectors: NDArray[np.floating], kind: NDArray[np.int64], video: NDArray[np.int32], asked: NDArray[np.bool_]
) -> dict[str, float]:
    """Measure how often the nearest patch of another video shows the same kind of object.

    Args:
        vectors: (N, D) of the tracks' starts.
        kind: (N,) number of the kind of the object.
        video: (N,) number of the video.
        asked: (N,) whether the start is a query (a start of a held-out video); all N are possible answers.

    Returns:
        precision@1: share of a kind's queries whose nearest patch of another video is of that kind, averaged over the
            kinds.
        chance: the same for a random patch of another video.
        queries, kinds: number of queries and of their kinds. A kind that no other video shows has no queries.

        The dictionary is empty if there is no query.
    """
    unit = vectors.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    queries = np.flatnonzero(asked)
    hit, chance, possible = np.zeros((3, len(queries)))
    for first in range(0, len(queries), _BLOCK):
        block = queries[first : first + _BLOCK]
        others = video[block, None] != video[None]
        same = (kind[block, None] == kind[None]) & others
        place = slice(first, first + len(block))
        nearest = np.where(others, unit[block] @ unit.T, -np.inf).argmax(1)
        hit[place] = same[np.arange(len(block)), nearest]
        chance[place] = same.sum(1) / np.maximum(others.sum(1), 1)
        possible[place] = same.any(1)
    kept = possible > 0
    kinds = np.unique(kind[queries][kept])
    if not len(kinds):
        return {}
    groups = [kept & (kind[queries] == one) for one in kinds]
    return {
        "precision@1": float(np.mean([hit[group].mean() for group in groups])),
        "chance": float(np.mean([chance[group].mean() for group in groups])),
        "queries": float(kept.sum()),
        "kinds": float(len(kinds)),
    }
