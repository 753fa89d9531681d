"""The inter-instance edges of a generation as sorted neighbour lists (CSR) over rows of the patch table."""

import numpy as np
from numpy.typing import NDArray

from training.source import PatchTable, TrainingSource


class Links:
    """The linked track starts of each track start (section 4.2)."""

    def __init__(self, table: PatchTable, source: TrainingSource) -> None:
        """Read every inter-instance edge of the source once."""
        self.edges = source.links().astype(np.int64)  # (L, 2) rows of starts
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        order = np.lexsort((both[:, 1], both[:, 0]))
        self._neighbours = both[order, 1]
        self._first = np.searchsorted(both[order, 0], np.arange(len(table.ids) + 1))

    def of(self, start: int) -> NDArray[np.int64]:
        """Return the rows linked with the start at row `start`."""
        found: NDArray[np.int64] = self._neighbours[self._first[start] : self._first[start + 1]]
        return found

    def among(self, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these (S,) sorted rows of starts are linked with each other: (S, S)."""
        first, count = self._first[starts], self._first[starts + 1] - self._first[starts]
        owner = np.repeat(np.arange(len(starts)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        neighbours = self._neighbours[first[owner] + within]
        place = np.minimum(np.searchsorted(starts, neighbours), len(starts) - 1)
        here = starts[place] == neighbours
        linked = np.zeros((len(starts), len(starts)), np.bool_)
        linked[owner[here], place[here]] = True
        return linked
