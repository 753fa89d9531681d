"""A stream of quadruples comes in; mini-batches go out: rows of images to encode once, pairs, weights and negatives.

A quadruple is five pairs of four images (section 5); three towers would encode fifteen. Every random draw comes from
(seed, step), so a batch depends on nothing but its number: a resumed training meets the same ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from training.recipes import Recipe
from training.source import PatchTable, TrainingSource

# Places in a quadruple (A, A', B, B') of each kind of positive pair, anchor first. Section 5.
PLACES: dict[str, tuple[tuple[int, int], ...]] = {
    "intra": ((0, 1), (2, 3)),
    "transitive": ((0, 3), (1, 2), (1, 3)),
    "inter": ((0, 2),),
}
_STREAM_NEGATIVES, _STREAM_TRACKS, _STREAM_DISTRACTORS = 1, 2, 6  # names of independent random streams of one seed
_DISTRACTORS_LOOKED_AT = 256


@dataclass(frozen=True)
class Cursor:
    """Where in the stream a batch ends: how many were read of which pass over the data."""

    epoch: int = 0
    read: int = 0


@dataclass(frozen=True)
class RankingBatch:
    """What one step of the triplet loss needs, in plain numbers; N images, P pairs."""

    rows: NDArray[np.int64]  # (N,) rows of the patch table, each once: those of pairs, then distractors if need be
    pairs: NDArray[np.int64]  # (P, 2) positions in `rows`: anchor, positive
    weights: NDArray[np.float32]  # (P,) their mean is 1
    negatives: NDArray[np.int64]  # (P, 1) one random negative, -1: there is none
    allowed: NDArray[np.bool_]  # (N, N) the column may be the row's negative
    triples: NDArray[np.int64]  # (T, 3) A, A', B' of the constrained recipe, else (0, 3)
    cursor: Cursor  # after this batch


class Links:
    """Who is linked with whom, by row of the patch table, as sorted neighbour lists (CSR)."""

    def __init__(self, table: PatchTable, source: TrainingSource) -> None:
        """Read every inter-instance edge of the source once; ends stand for their starts."""
        row = table.row
        found = [(row[a], row[b]) for a, b in source.links() if a in row and b in row]
        edges = np.array(found, np.int64).reshape(-1, 2)
        both = np.concatenate([edges, edges[:, ::-1]])
        order = np.lexsort((both[:, 1], both[:, 0]))
        self._neighbours = both[order, 1]
        self._first = np.searchsorted(both[order, 0], np.arange(len(table.ids) + 1))
        self.edges = edges

    def of(self, start: int) -> NDArray[np.int64]:
        """Return the rows linked with the start at row `start`."""
        found: NDArray[np.int64] = self._neighbours[self._first[start] : self._first[start + 1]]
        return found

    def among(self, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say who of these (S,) sorted rows of starts is linked with whom: (S, S)."""
        first, count = self._first[starts], self._first[starts + 1] - self._first[starts]
        owner = np.repeat(np.arange(len(starts)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        neighbours = self._neighbours[first[owner] + within]
        place = np.minimum(np.searchsorted(starts, neighbours), len(starts) - 1)
        here = starts[place] == neighbours
        linked = np.zeros((len(starts), len(starts)), np.bool_)
        linked[owner[here], place[here]] = True
        return linked


def allowed_negatives(rows: NDArray[np.int64], table: PatchTable, links: Links) -> NDArray[np.bool_]:
    """Say who may be whose negative: another parent cluster, another video, another track, not linked. (N, N).

    Section 5 asks for another parent cluster only. Two clusters can hold one object, seen in one video; and
    an end takes the cluster, and so the links, of its start.
    """
    parent, video, track = table.parent[rows], table.video[rows], table.track[rows]
    clustered = parent >= 0
    allowed: NDArray[np.bool_] = (
        (parent[:, None] != parent[None])
        & (clustered[:, None] & clustered[None])
        & (video[:, None] != video[None])
        & (track[:, None] != track[None])
    )
    starts, place = np.unique(track, return_inverse=True)
    linked = links.among(starts.astype(np.int64))
    if linked.any():
        allowed &= ~linked[place][:, place]
    return allowed


def _distractors(
    lonely: NDArray[np.int64], table: PatchTable, links: Links, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Choose patches so that each of the `lonely` rows has a negative, where there is one: few rows, each once.

    A batch of few videos may hold none: its quadruples join the same clusters of the same two videos. The distractor is
    then section 3's "random sample C unconnected to A, A', B, B'".
    """
    usable = np.flatnonzero(~table.held_out & (table.parent >= 0))
    looked_at = usable[generator.permutation(len(usable))[:_DISTRACTORS_LOOKED_AT]]
    serves = allowed_negatives(np.concatenate([lonely, looked_at]), table, links)[: len(lonely), len(lonely) :]
    chosen: list[int] = []
    for row in serves:
        if row.any() and not row[chosen].any():
            chosen.append(int(np.argmax(row)))
    return looked_at[chosen]


def _draw_negatives(
    anchors: NDArray[np.int64], allowed: NDArray[np.bool_], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw one allowed position for each anchor, all equally likely: (P,) → (P, 1), -1 where there is none."""
    so_far = np.cumsum(allowed, axis=1, dtype=np.int32)
    count = so_far[anchors, -1]
    pick = np.minimum((generator.random(len(anchors)) * count).astype(np.int64), np.maximum(count - 1, 0))
    place = np.argmax(so_far[anchors] > pick[:, None].astype(np.int32), axis=1)
    return np.where(count > 0, place, -1)[:, None]


def _pair_weights(recipe: Recipe, kinds: Sequence[str]) -> NDArray[np.float32]:
    """Weigh pairs so that tracks and transitivity count as 2M to 7M (section 6); their mean stays 1."""
    if set(recipe.positives) != {"intra", "transitive"}:
        return np.ones(len(kinds), np.float32)
    is_intra = np.array([kind == "intra" for kind in kinds])
    intra = recipe.intra_share / (2 / 5)  # two of a quadruple's five pairs
    other = (1 - recipe.intra_share) / (3 / 5)
    return np.where(is_intra, intra, other).astype(np.float32)


def make_batch(
    groups: NDArray[np.int64], recipe: Recipe, table: PatchTable, links: Links, seed: int, step: int, cursor: Cursor
) -> RankingBatch:
    """Turn (Q, 4) rows A, A', B, B' (or (Q, 2) of a pair) into one mini-batch."""
    rows, inverse = np.unique(groups, return_inverse=True)
    place = inverse.reshape(groups.shape)
    if groups.shape[1] == 4:
        listed = [(kind, spot) for kind in recipe.positives for spot in PLACES[kind]]
    else:
        listed = [(recipe.positives[0], (0, 1))]
    pairs = np.concatenate([place[:, spot] for _, spot in listed])
    kinds = [kind for kind, _ in listed for _ in range(len(groups))]
    weights = _pair_weights(recipe, kinds)
    # Two quadruples of one batch may share a patch; a patch is no positive of itself.
    real = pairs[:, 0] != pairs[:, 1]
    pairs, weights = pairs[real], weights[real]
    allowed = allowed_negatives(rows, table, links)
    lonely = np.unique(pairs[~allowed[pairs[:, 0]].any(axis=1), 0])
    if len(lonely):
        drawing = np.random.default_rng((seed, _STREAM_DISTRACTORS, step))
        rows = np.concatenate([rows, _distractors(rows[lonely], table, links, drawing)])
        allowed = allowed_negatives(rows, table, links)
    generator = np.random.default_rng((seed, _STREAM_NEGATIVES, step))
    triples = np.zeros((0, 3), np.int64)
    if recipe.constrained and groups.shape[1] == 4:
        triples = np.concatenate([place[:, [0, 1, 3]], place[:, [2, 3, 1]]])
    return RankingBatch(
        rows, pairs, weights, _draw_negatives(pairs[:, 0], allowed, generator), allowed, triples, cursor
    )


def ranking_batches(
    source: TrainingSource, recipe: Recipe, table: PatchTable, links: Links, seed: int, step: int, cursor: Cursor
) -> Iterator[RankingBatch]:
    """Yield the mini-batches of steps `step`, `step` + 1, … without end, from `cursor` on.

    A batch that would straddle two passes over the data is filled from the next pass.
    """
    stream = _groups(source, recipe, table, seed, cursor)
    size = recipe.quadruples_per_step
    while True:
        taken = list(islice(stream, size))
        cursor = taken[-1][1]
        groups = np.array([group for group, _ in taken], np.int64)
        yield make_batch(groups, recipe, table, links, seed, step, cursor)
        step += 1


def _groups(
    source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, cursor: Cursor
) -> Iterator[tuple[tuple[int, ...], Cursor]]:
    """Yield rows of A, A', B, B' (or A, A'; or A, B), pass after pass, each with the cursor behind it."""
    epoch, read = cursor.epoch, cursor.read
    while True:
        found = False
        for group in _one_pass(source, recipe, table, seed, epoch, read):
            found = True
            read += 1
            yield group, Cursor(epoch, read)
        if not found and read == 0:
            raise _nothing_to_learn(recipe)
        epoch, read = epoch + 1, 0


def _one_pass(
    source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, epoch: int, skip: int
) -> Iterator[tuple[int, ...]]:
    if recipe.positives == ("intra",):
        tracks = table.tracks(held_out=False)
        order = np.random.default_rng((seed, _STREAM_TRACKS, epoch)).permutation(len(tracks))
        for index in order[skip:]:
            yield int(tracks[index, 0]), int(tracks[index, 1])
        return
    row = table.row
    for q in source.quadruples(seed, epoch, skip):
        if recipe.positives == ("inter",):
            yield row[q.a], row[q.b]
        else:
            yield row[q.a], row[q.a_prime], row[q.b], row[q.b_prime]


def steps_for(
    images: int, source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, more_per_step: float = 0.0
) -> int:
    """Return after how many steps a training has encoded as near as possible to `images` images, at least 1.

    Counted on the very batches it will meet: quadruples of a small graph share patches, links share more, and what is
    shared is encoded once. `more_per_step` are images that a step encodes besides those it ranks.
    """
    stream = _groups(source, recipe, table, seed, Cursor())
    encoded, steps = 0.0, 0
    while True:
        rows = {row for group, _ in islice(stream, recipe.quadruples_per_step) for row in group}
        after = encoded + len(rows) + more_per_step
        if steps and after - images > images - encoded:
            return steps
        encoded, steps = after, steps + 1


def check_learnable(table: PatchTable, recipe: Recipe) -> None:
    """Raise `InvalidInput` where no batch could hold a negative: one video or one parent cluster."""
    usable = ~table.held_out & (table.parent >= 0)
    if not usable.any():
        raise _nothing_to_learn(recipe)
    if len(np.unique(table.parent[usable])) < 2:
        raise InvalidInput(
            "All linked patches lie in one parent cluster, so there are no negatives (section 5). "
            "Link again with a smaller smallest cluster or more clusters, or ingest more varied videos."
        )
    if len(np.unique(table.video[usable])) < 2:
        raise InvalidInput("All linked patches come from one video, so there are no negatives. Ingest more videos.")


def _nothing_to_learn(recipe: Recipe) -> InvalidInput:
    what = "tracks in parent clusters" if recipe.positives == ("intra",) else "quadruples"
    return InvalidInput(
        f"The graph holds no {what} to learn {recipe.name!r} from. Ingest more videos, then run `transitive link`; "
        "its report says how many patches were clustered and linked."
    )
