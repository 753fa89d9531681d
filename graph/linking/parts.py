"""The parts of a linking run, which any machine that can read the shards computes, in any order.

The files of a run are shards below linking/<run>/. The number n is that of a part (whole videos) or of a share (whole
parents):

    plan                model and parameters; exists until the run ends
    part/<n>            id, video, sampled            of the starts in a part, grouped by video
    sampled/<n>.rows    sampled vectors of a part
    sample/<n>          width                         of these vectors
    mean                mean of the vectors of length 1, if it is subtracted
    centroids           K-means centroids of the vectors, after subtracting the mean
    sorted/<n>.rows     vectors of a part after subtracting the mean, sorted by centroid, so a parent's are adjacent
    labels/<n>          centroid, distance            of each start in a part
    share/<n>           row, parent, part, place, video, owner, frame, x, y, w, h      of the members of some parents
    edges/<n>           a, b, distance                of the inter-instance edges in a share
    capped/<n>          capped                        number of children of a share over the cap of a patch
    children/<n>        0, 1, 2, 3                    rows of each child in a share

A result depends only on the plan and the shards, and it is written atomically. Two machines that compute the same part
write the same file, and a killed machine leaves no half-written file.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.errors import NotFound
from graph.linking.children import Children, children_of, together
from graph.linking.features import check_finite, read_features, without_mean
from graph.linking.neighbours import Nearest, nearest
from graph.linking.parameters import LinkParameters
from graph.linking.points import MakePoints, NumpyPoints
from graph.linking.track_starts import TrackStarts
from graph.shards import Shards

RUNS = "linking"  # folder of the active runs


@dataclass(frozen=True, slots=True)
class Run:
    """An active linking run: its files, its parameters, and the functions that compute on this machine."""

    shards: Shards
    id: str
    model: str
    parameters: LinkParameters  # resolved
    assign: MakePoints = NumpyPoints
    search: Nearest = nearest

    def name(self, kind: str, number: int | None = None) -> str:
        """Return the name of one of the run's shards."""
        return f"{RUNS}/{self.id}/{kind}" + ("" if number is None else f"/{number:06d}")

    def begin(self) -> None:
        """Write the plan, with which other machines join the run."""
        plan = {"model": self.model, "parameters": asdict(self.parameters)}
        self.shards.write_rows(self.name("plan"), {"plan": [json.dumps(plan)]})

    def goes_on(self) -> bool:
        """Return whether the run is active: neither finished nor cancelled."""
        return self.shards.exists(self.name("plan"))

    def finished(self, kind: str) -> set[int]:
        """Return the numbers of the parts of this kind whose results exist."""
        return {int(name) for name in self.shards.names(self.name(RESULT[kind]))}

    def remove(self) -> None:
        """Delete all files of the run."""
        self.shards.delete(self.name("plan"))  # first, so that a helper that writes a result now deletes it again
        self.shards.delete_folder(f"{RUNS}/{self.id}")

    def do(self, kind: str, number: int) -> None:
        """Compute one part unless its result exists; raises as `read_features` and `check_finite` do."""
        if not self.shards.exists(self.name(RESULT[kind], number)):
            _STEPS[kind](self, number)


def help_run(shards: Shards, run: str, kind: str, number: int, assign: MakePoints, search: Nearest) -> bool:
    """Compute one part of a run that another machine leads; returns False if the run has ended."""
    try:
        plan = json.loads(shards.read(f"{RUNS}/{run}/plan")["plan"][0].as_py())
    except NotFound:
        return False
    joined = Run(shards, run, plan["model"], LinkParameters(**plan["parameters"]), assign, search)
    try:
        joined.do(kind, number)
    except NotFound:
        if joined.goes_on():
            raise
    if not joined.goes_on():  # the run ended while this part was read or written, so its files are deleted
        joined.remove()
        return False
    return True


def _sample(run: Run, number: int) -> None:
    part = run.shards.read(run.name("part", number))
    ids, videos = part["id"].to_pylist(), part["video"].to_pylist()
    wanted = np.flatnonzero(part["sampled"].to_numpy())
    ids, videos = [ids[row] for row in wanted], [videos[row] for row in wanted]
    vectors = read_features(run.shards, run.model, ids, videos)
    check_finite(vectors, ids)
    run.shards.write_matrix(run.name("sampled", number), vectors)
    run.shards.write_rows(run.name("sample", number), {"width": [vectors.shape[1]]})


def _assign(run: Run, number: int) -> None:
    _, centroids = run.shards.read_vectors(run.name("centroids"))
    part = run.shards.read(run.name("part", number), ["id", "video"])
    ids = part["id"].to_pylist()
    vectors = read_features(run.shards, run.model, ids, part["video"].to_pylist(), centroids.shape[1])
    check_finite(vectors, ids)
    vectors = without_mean(vectors, _read_mean(run))
    labels, distances = run.assign(vectors).assign(centroids.copy())  # Arrow's array is read-only: torch warns
    run.shards.write_matrix(run.name("sorted", number), vectors[np.argsort(labels, kind="stable")])
    run.shards.write_rows(run.name("labels", number), {"label": labels, "distance": distances})


def _read_mean(run: Run) -> NDArray[np.float32] | None:
    if not run.parameters.remove_mean:
        return None
    mean: NDArray[np.float32] = run.shards.read_vectors(run.name("mean"))[1][0]
    return mean


def _children(run: Run, number: int) -> None:
    share = run.shards.read(run.name("share", number))
    column = {name: share[name].to_numpy() for name in share.column_names if name not in ("video", "owner")}
    _, centroids = run.shards.read_vectors(run.name("centroids"))
    vectors = _read_sorted(run, column["part"], column["place"], centroids.shape[1])
    videos, owners = share["video"].to_pylist(), share["owner"].to_pylist()
    boxes = np.stack([column[name] for name in "xywh"], axis=1)
    members = TrackStarts(["" for _ in videos], videos, owners, column["frame"], boxes)
    found = []
    for rows in np.split(np.arange(len(videos)), np.flatnonzero(np.diff(column["parent"])) + 1):
        inside = members.take(rows)
        found.append(children_of(vectors[rows], inside, column["row"][rows], run.parameters, run.search))
    write_children(run, number, together(found, run.parameters.group))


_STEPS: dict[str, Callable[[Run, int], None]] = {"sample": _sample, "assign": _assign, "children": _children}
RESULT = {"sample": "sample", "assign": "labels", "children": "children"}  # file that each kind writes last


def _read_sorted(run: Run, part: NDArray[Any], place: NDArray[Any], width: int) -> NDArray[np.float16]:
    """Read the vectors (R, width) at these places (R,) of these parts (R,).

    Each part is read as one range of rows. The range contains few other rows, because the vectors are sorted.
    """
    vectors = np.empty((len(part), width), np.float16)
    for number in np.unique(part).tolist():
        here = np.flatnonzero(part == number)
        first, last = int(place[here].min()), int(place[here].max())
        vectors[here] = run.shards.read_rows(run.name("sorted", number), first, last + 1, width)[place[here] - first]
    return vectors


def write_children(run: Run, number: int, found: Children) -> None:
    """Write the children and edges of a share; the children come last, since their file marks it as done."""
    run.shards.write_rows(run.name("capped", number), {"capped": [found.capped]})
    edges = {"a": found.pairs[:, 0], "b": found.pairs[:, 1], "distance": found.distances}
    run.shards.write_rows(run.name("edges", number), edges)
    columns = {str(place): found.groups[:, place] for place in range(found.groups.shape[1])}
    run.shards.write_rows(run.name("children", number), columns)


def read_children(run: Run, number: int) -> Children:
    """Read the children and edges of a share."""
    edges = run.shards.read(run.name("edges", number))
    groups = run.shards.read(run.name("children", number))
    pairs = np.stack([edges["a"].to_numpy(), edges["b"].to_numpy()], axis=1)
    members = np.stack([column.to_numpy() for column in groups.columns], axis=1)
    capped = int(run.shards.read(run.name("capped", number))["capped"][0].as_py())
    return Children(members, pairs, edges["distance"].to_numpy(), capped)
