"""Joining: assignment of new videos to the parents of an existing linking (section 4.2).

A new sample belongs to the parent with the nearest centroid, or to none if that cluster was dropped. New members also
change the nearest-neighbour lists of old members, so the children of a changed parent are computed again. The children
of all other parents are kept.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from graph.linking.children import Children, children_of
from graph.linking.features import check_finite, read_features, without_mean
from graph.linking.neighbours import Nearest
from graph.linking.parameters import LinkParameters
from graph.linking.points import MakePoints
from graph.linking.track_starts import TrackStarts, whole
from graph.records import Progress
from graph.shards import Shards


def assign_new(
    shards: Shards,
    model: str,
    starts: TrackStarts,
    rows: NDArray[np.int64],
    mean: NDArray[np.float32] | None,
    centroids: NDArray[np.float32],
    numbers: NDArray[np.int32],
    assign: MakePoints,
    progress: Progress,
) -> NDArray[np.int32]:
    """Return the parent (R,) of each of the `rows` (R,) of `starts`, -1 for none.

    `centroids` is (K, D), `numbers` (K,) is each cluster's parent, and `mean` (D,) is subtracted from the vectors.
    Raises as `read_features` and `check_finite` do.
    """
    new = starts.take(rows)
    labels = np.empty(len(rows), np.int32)
    done = 0
    for part in new.parts():
        progress("assigning", done, len(rows), "patches")
        ids, videos = ([column[row] for row in part.tolist()] for column in (new.ids, new.videos))
        vectors = read_features(shards, model, ids, videos, centroids.shape[1])
        check_finite(vectors, ids)
        labels[part] = numbers[assign(without_mean(vectors, mean)).assign(centroids)[0]]
        done += len(part)
    progress("assigning", done, len(rows), "patches")
    return labels


def recompute_children(
    shards: Shards,
    model: str,
    starts: TrackStarts,
    members: list[NDArray[np.int64]],
    mean: NDArray[np.float32] | None,
    parameters: LinkParameters,
    search: Nearest,
    progress: Progress,
) -> Iterable[Children]:
    """Yield the children of each parent; `members` has the ascending rows of each parent's members in `starts`.

    Raises as `read_features` does.
    """
    done, total = 0, sum(map(len, members))
    for first, last in whole([len(rows) for rows in members]):  # several parents at once, to read each shard once
        together = np.concatenate(members[first:last])
        order = np.argsort(np.asarray([starts.videos[row] for row in together.tolist()], dtype=object), kind="stable")
        ids, videos = ([column[row] for row in together[order].tolist()] for column in (starts.ids, starts.videos))
        read = without_mean(read_features(shards, model, ids, videos), mean)
        vectors = np.empty_like(read)
        vectors[order] = read
        start = 0
        for rows in members[first:last]:
            progress("children", done, total, "patches")
            stop = start + len(rows)
            yield children_of(vectors[start:stop], starts.take(rows), rows, parameters, search)
            start = stop
            done += len(rows)
    progress("children", total, total, "patches")
