"""Linking of vectors that are in one matrix, computed in this process."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.linking.children import Children, children_of, together
from graph.linking.features import check_finite, without_mean
from graph.linking.neighbours import Nearest
from graph.linking.parameters import LinkParameters
from graph.linking.parents import Parents
from graph.linking.points import MakePoints
from graph.linking.track_starts import TrackStarts
from graph.records import Progress


class InMemory:
    """Implementation of `graph.linking.run.Vectors` for a matrix."""

    def __init__(
        self,
        features: NDArray[Any],
        starts: TrackStarts,
        parameters: LinkParameters,
        assign: MakePoints,
        search: Nearest,
        progress: Progress,
    ) -> None:
        """Take the (N, D) vectors of the starts, in the starts' order."""
        self._features = features
        self._starts = starts
        self._parameters = parameters
        self._assign = assign
        self._search = search
        self._progress = progress
        self._parts = starts.parts()
        self._mean: NDArray[np.float32] | None = None

    def sample(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the (R, D) vectors of these rows (R,); raises `InvalidInput` for NaN."""
        result = self._features[rows]
        check_finite(result, [self._starts.ids[row] for row in rows.tolist()])
        return result

    def assign(
        self, centroids: NDArray[np.float32], mean: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return each start's nearest centroid (N,) and squared distance to it (N,), after subtracting the mean."""
        self._mean = mean
        labels, distances = np.empty(len(self._starts), np.int32), np.empty(len(self._starts), np.float32)
        done = 0
        for part in self._parts:
            self._progress("assigning", done, len(labels), "patches")
            labels[part], distances[part] = self._assign(without_mean(self.sample(part), mean)).assign(centroids)
            done += len(part)
        self._progress("assigning", done, len(labels), "patches")
        return labels, distances

    def children(self, parents: Parents) -> Children:
        """Return the children of all parents, after subtracting the mean given to `assign`."""
        found = []
        done, total = 0, int(parents.sizes.sum())
        for rows in np.split(parents.order, np.cumsum(parents.sizes)[:-1]):
            self._progress("children", done, total, "patches")
            inside = self._starts.take(rows)
            vectors = without_mean(self._features[rows], self._mean)
            found.append(children_of(vectors, inside, rows, self._parameters, self._search))
            done += len(rows)
        self._progress("children", done, total, "patches")
        return together(found, self._parameters.group)
