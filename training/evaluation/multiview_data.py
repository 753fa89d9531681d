"""Multi-view pictures of objects as training data: one folder per category, with one folder per object.

They are presented as a graph, without labels. An object's views are one video, each view is the start of a track, and
the track's end is another view of the object. Links are made from features (section 4.2). Categories are used for
measuring only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.linking.parameters import LinkParameters
from graph.linking.run import link
from graph.records import Patch
from training.pictures import SUFFIXES, pictures_to_patches
from training.random_streams import RandomStream, generator
from training.source import PatchRow, PatchTable


@dataclass(frozen=True)
class Views:
    """N views in the order of category, object and view."""

    jpegs: list[bytes]
    pixels: NDArray[np.uint8]  # (N, 96, 96, 3)
    category: NDArray[np.int64]  # (N,)
    object: NDArray[np.int64]  # (N,) number of the object within its category
    view: NDArray[np.int64]  # (N,) number of the view within its object
    categories: tuple[str, ...]
    most_objects: int  # of a category, in all views: a part of them keeps the numbers of `instance`

    def take(self, chosen: NDArray[np.bool_]) -> "Views":
        """Return the views that are chosen, (N,) bool."""
        columns = {name: getattr(self, name)[chosen] for name in ("pixels", "category", "object", "view")}
        return replace(self, jpegs=[self.jpegs[row] for row in np.flatnonzero(chosen)], **columns)

    @property
    def instance(self) -> NDArray[np.int64]:
        """(N,) number of the object among all objects."""
        return self.category * self.most_objects + self.object


@dataclass(frozen=True)
class Fold:
    """Objects to learn from, and in each category one object for tuning and one to report."""

    learned: Views
    choosing: Views
    reported: Views


def read_views(folder: Path) -> Views:
    """Read folder/category/object/view.jpg; raises `InvalidInput` for fewer than two categories or three objects."""
    categories = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()
    jpegs: list[bytes] = []
    names: list[str] = []
    rows: list[tuple[int, int, int]] = []
    for category, name in enumerate(categories):
        objects = sorted(path for path in (folder / name).iterdir() if path.is_dir())
        if len(objects) < 3:
            raise InvalidInput(
                f"{folder / name} must hold at least three folders of objects: to learn, to tune and to report."
            )
        for number, place in enumerate(objects):
            files = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
            rows += [(category, number, view) for view in range(len(files))]
            names += [str(file) for file in files]
            jpegs += [file.read_bytes() for file in files]
    if len(categories) < 2:
        raise InvalidInput(f"{folder} must hold a folder per category, with a folder per object in it.")
    columns = np.array(rows, np.int64)
    pixels = pictures_to_patches(list(zip(names, jpegs, strict=True)))
    most = int(columns[:, 1].max()) + 1
    return Views(jpegs, pixels, columns[:, 0], columns[:, 1], columns[:, 2], categories, most)


def fold_of(views: Views, number: int) -> Fold:
    """Return the fold that reports object `number` (modulo their count) of every category and tunes on the next one."""
    count = views.most_objects
    report, choose = number % count, (number + 1) % count
    others = (views.object != report) & (views.object != choose)
    return Fold(views.take(others), views.take(views.object == choose), views.take(views.object == report))


@dataclass(frozen=True)
class MultiviewSource:
    """The learned objects of a fold as a `training.source.TrainingSource`.

    Row 2 k of the patch table is view k as the start of its track, row 2 k + 1 that track's end.
    """

    views: Views
    ends: NDArray[np.int64]  # (N,) the view at the end of each view's track
    edges: NDArray[np.int64]  # (L, 2) views that are linked
    parents: NDArray[np.int32]  # (N,) -1: in no parent cluster
    feature_model: str
    track_length: int = 30  # counts as the recipes' ordinary tracks

    @property
    def generation(self) -> str:
        """The hash of tracks and links."""
        state = blake2b(digest_size=8)
        for array in (self.ends, self.edges, self.parents, self.views.instance):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    @property
    def fingerprint(self) -> str:
        """The same hash."""
        return self.generation

    def table(self) -> PatchTable:
        """Return the starts and ends of all views."""
        rows = []
        for view, (instance, parent) in enumerate(
            zip(self.views.instance.tolist(), self.parents.tolist(), strict=True)
        ):
            start = f"{view:06}a"
            rows += [PatchRow(name, f"{instance:04}", parent, start) for name in (start, f"{view:06}b")]
        return PatchTable.build(rows)

    def links(self) -> NDArray[np.int64]:
        """Return (L, 2) rows of starts."""
        return 2 * self.edges

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield one array: every link once, in an order drawn from seed and epoch."""
        order = generator(seed, RandomStream.TRACKS, epoch).permutation(len(self.edges))[skip:]
        a, b = 2 * self.edges[order, 0], 2 * self.edges[order, 1]
        yield np.stack([a, a + 1, b, b + 1], axis=1)

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return the pictures of starts (`000012a`) and ends (`000012b`)."""
        rows = [self.ends[int(name[:-1])] if name.endswith("b") else int(name[:-1]) for name in ids]
        return [self.views.jpegs[row] for row in rows]

    def frames(self) -> Iterator[bytes]:
        """Yield the views."""
        yield from self.views.jpegs


def linked_source(
    views: Views, features: NDArray[np.floating], feature_model: str, seed: int, parameters: LinkParameters
) -> MultiviewSource:
    """Draw a track for every view and link the views by their (N, D) features, as patches of videos are linked."""
    instances = views.instance.tolist()
    patches = [
        Patch(f"{row:06}", f"{instance:04}", row, 0.0, 0, 0, 96, 96, "start") for row, instance in enumerate(instances)
    ]
    linking = link(np.asarray(features, np.float32), patches, parameters)
    ends = draw_ends(views.instance, seed)
    return MultiviewSource(views, ends, linking.pairs.astype(np.int64), linking.parents, feature_model)


def draw_ends(instance: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draw for each of N views another view of the same object: (N,). Every view is the end of one track."""
    draws = generator(seed, RandomStream.TRACKS)
    ends = np.empty(len(instance), np.int64)
    for one in np.unique(instance):
        rows = draws.permutation(np.flatnonzero(instance == one))
        ends[rows] = np.roll(rows, 1)
    return ends


def with_purity(source: MultiviewSource, share: float, seed: int) -> MultiviewSource:
    """Return the source with `share` of its links correct, by replacing ends of as few links as needed.

    A wrong link gets another object of the first view's category, a correct one a view of another category. It serves
    to measure how many links must be correct; no recipe calls it.
    """
    draws = np.random.default_rng(seed)
    category, instance = source.views.category, source.views.instance
    edges = source.edges.copy()
    right = category[edges[:, 0]] == category[edges[:, 1]]
    wanted = round(share * len(edges))
    change = wanted - int(right.sum())
    chosen = draws.permutation(np.flatnonzero(~right if change > 0 else right))[: abs(change)]
    for edge in chosen:
        same = category == category[edges[edge, 0]]
        fitting = same & (instance != instance[edges[edge, 0]]) if change > 0 else ~same
        edges[edge, 1] = draws.choice(np.flatnonzero(fitting))
    return replace(source, edges=np.unique(np.sort(edges, axis=1), axis=0))
