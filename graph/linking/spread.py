"""Linking of vectors in shards, whose parts several machines compute.

The leader of a run offers all parts to helpers on other machines. Helpers compute them from the first to the last. The
leader computes them from the last to the first and skips those whose result exists, so it never waits for a helper.
Without helpers, or when helpers die, the leader computes all parts. Only one part's vectors are in memory.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.children import Children, together
from graph.linking.features import allocate
from graph.linking.parents import Parents
from graph.linking.parts import Run, read_children
from graph.linking.track_starts import TrackStarts, whole
from graph.records import Progress

Offer = Callable[[str, str, int], None]  # offers parts to helpers: run id, kind of part, number of parts


class Spread:
    """Implementation of `graph.linking.run.Vectors` for shards."""

    def __init__(self, run: Run, starts: TrackStarts, offer: Offer, scratch: Path, progress: Progress) -> None:
        """Lead a run over these starts; `scratch` is a local folder for a sample that is too large for memory."""
        self._run = run
        self._starts = starts
        self._offer = offer
        self._scratch = scratch
        self._progress = progress
        self._parts = starts.parts()

    def sample(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the (R, D) vectors of these rows (R,); raises as `read_features` and `check_finite` do."""
        run = self._run
        for number, part in enumerate(self._parts):
            names, videos = (
                [column[row] for row in part.tolist()] for column in (self._starts.ids, self._starts.videos)
            )
            columns = {"id": names, "video": videos, "sampled": np.isin(part, rows, assume_unique=True)}
            run.shards.write_rows(run.name("part", number), columns)
        self._do_all("sample", "sampling", [len(part) for part in self._parts])
        result = np.empty((0, 0), np.float16)
        for number, part in enumerate(self._parts):
            inside = part[np.isin(part, rows, assume_unique=True)]
            if not len(inside):
                continue
            width = int(run.shards.read(run.name("sample", number))["width"][0].as_py())
            if not result.size:
                result = allocate((len(rows), width), self._scratch)
            if width != result.shape[1]:
                raise InvalidInput(
                    f"Some features of {run.model} have {width} numbers, others have {result.shape[1]}: features "
                    f"of two models. Delete features/{run.model} and compute them again."
                )
            vectors = run.shards.read_rows(run.name("sampled", number), 0, len(inside), width)
            result[np.searchsorted(rows, inside)] = vectors
        return result

    def assign(
        self, centroids: NDArray[np.float32], mean: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return each start's nearest centroid (N,) and squared distance to it (N,), after subtracting the mean."""
        run = self._run
        if mean is not None:
            run.shards.write_vectors(run.name("mean"), ["mean"], mean[None])
        run.shards.write_vectors(run.name("centroids"), [str(number) for number in range(len(centroids))], centroids)
        self._do_all("assign", "assigning", [len(part) for part in self._parts])
        labels, distances = np.empty(len(self._starts), np.int32), np.empty(len(self._starts), np.float32)
        for number, part in enumerate(self._parts):
            found = run.shards.read(run.name("labels", number))
            labels[part], distances[part] = found["label"].to_numpy(), found["distance"].to_numpy()
        self._labels = labels
        return labels, distances

    def children(self, parents: Parents) -> Children:
        """Return the children of all parents, after subtracting the mean given to `assign`."""
        part_of, place_of = self._places()
        order = parents.order
        bounds = np.concatenate([[0], np.cumsum(parents.sizes)])
        shares = whole(parents.sizes.tolist())
        for number, (first, last) in enumerate(shares):
            rows = order[bounds[first] : bounds[last]]
            inside = self._starts.take(rows)
            columns = {
                "row": rows,
                "parent": parents.labels[rows],
                "part": part_of[rows],
                "place": place_of[rows],
                "video": inside.videos,
                "owner": inside.owners,
                "frame": inside.frames,
            }
            columns |= {name: inside.boxes[:, column] for column, name in enumerate("xywh")}
            self._run.shards.write_rows(self._run.name("share", number), columns)
        self._do_all("children", "children", [int(bounds[last] - bounds[first]) for first, last in shares])
        found = (read_children(self._run, number) for number in range(len(shares)))
        return together(found, self._run.parameters.group)

    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return each row's part (N,), and its position (N,) among that part's vectors sorted by centroid."""
        part_of, place_of = np.empty(len(self._starts), np.int32), np.empty(len(self._starts), np.int32)
        for number, part in enumerate(self._parts):
            part_of[part] = number
            place_of[part[np.argsort(self._labels[part], kind="stable")]] = np.arange(len(part))
        return part_of, place_of

    def _do_all(self, kind: str, stage: str, sizes: Sequence[int]) -> None:
        """Offer all parts of a kind, compute those without a result, and report the number of finished patches."""
        total = sum(sizes)
        if len(sizes) > 1:
            self._offer(self._run.id, kind, len(sizes))
        for number in reversed(range(len(sizes))):
            self._progress(stage, sum(sizes[other] for other in self._run.finished(kind)), total, "patches")
            self._run.do(kind, number)
        self._progress(stage, total, total, "patches")
