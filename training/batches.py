"""Mini-batches of the ranking loss: images to encode once, positive pairs, weights and negatives.

A quadruple gives five positive pairs of four images (section 5), so each image is encoded once and shared by its pairs
instead of fifteen times by three towers. A batch depends only on the seed, the step and the cursor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.links import Links
from training.negatives import allowed_negatives, choose_distractors, draw_negatives
from training.random_streams import RandomStream, generator
from training.recipe import Recipe
from training.source import PatchTable, TrainingSource
from training.source_checks import nothing_to_learn

# Positions in a quadruple (A, A', B, B') of each kind of positive pair, anchor first. Section 5.
PAIRS_OF_QUADRUPLE: dict[str, tuple[tuple[int, int], ...]] = {
    "intra": ((0, 1), (2, 3)),
    "transitive": ((0, 3), (1, 2), (1, 3)),
    "inter": ((0, 2),),
}


@dataclass(frozen=True)
class Cursor:
    """Position in the stream: the pass over the data, and the number of groups read in that pass."""

    epoch: int = 0
    read: int = 0


@dataclass(frozen=True)
class RankingBatch:
    """The input of one step of the ranking loss; N images, P pairs."""

    rows: NDArray[np.int64]  # (N,) distinct rows of the patch table: those of the pairs, then distractors
    pairs: NDArray[np.int64]  # (P, 2) positions in `rows`: anchor, positive
    weights: NDArray[np.float32]  # (P,) with mean 1
    negatives: NDArray[np.int64]  # (P, 1) positions of random negatives, -1 if there is none
    allowed: NDArray[np.bool_]  # (N, N) whether the column may be a negative of the row
    triples: NDArray[np.int64]  # (T, 3) A, A', B' of the constrained recipe, else (0, 3)
    cursor: Cursor  # after this batch


def ranking_batches(
    source: TrainingSource, recipe: Recipe, table: PatchTable, links: Links, seed: int, step: int, cursor: Cursor
) -> Iterator[RankingBatch]:
    """Yield the mini-batches of steps `step`, `step` + 1, … without end, from `cursor` on.

    The last batch of a pass over the data is filled up from the next pass. Raises `InvalidInput` for a source
    without the pairs of the recipe.
    """
    tracks = table.tracks(held_out=False)
    for groups, behind in _groups(source, recipe, table, seed, cursor):
        draws = generator(seed, RandomStream.ADDED_TRACKS, step)
        added = tracks[draws.permutation(len(tracks))[: recipe.added_tracks]] if recipe.added_tracks else tracks[:0]
        yield make_batch(groups, added, recipe, table, links, seed, step, behind)
        step += 1


def make_batch(
    groups: NDArray[np.int64],
    tracks: NDArray[np.int64],
    recipe: Recipe,
    table: PatchTable,
    links: Links,
    seed: int,
    step: int,
    cursor: Cursor,
) -> RankingBatch:
    """Turn (Q, 4) rows A, A', B, B' (or (Q, 2) rows of one pair each) and (T, 2) added tracks into one mini-batch."""
    rows, inverse = np.unique(np.concatenate([groups.ravel(), tracks.ravel()]), return_inverse=True)
    place = inverse[: groups.size].reshape(groups.shape)
    if groups.shape[1] == 4:
        listed = [(kind, positions) for kind in recipe.positives for positions in PAIRS_OF_QUADRUPLE[kind]]
    else:
        listed = [(recipe.positives[0], (0, 1))]
    pairs = np.concatenate([place[:, positions] for _, positions in listed])
    weights = _pair_weights(recipe, [kind for kind, _ in listed for _ in range(len(groups))])
    pairs = np.concatenate([pairs, inverse[groups.size :].reshape(tracks.shape)])
    weights = np.concatenate([weights, np.ones(len(tracks), np.float32)])
    # Two quadruples of one batch may share a patch; a patch is not a positive of itself.
    distinct = pairs[:, 0] != pairs[:, 1]
    pairs, weights = pairs[distinct], weights[distinct]
    allowed = allowed_negatives(rows, table, links)
    anchors_without_negative = np.unique(pairs[~allowed[pairs[:, 0]].any(axis=1), 0])
    if len(anchors_without_negative):
        rows = np.concatenate([rows, choose_distractors(rows[anchors_without_negative], table, links, seed, step)])
        allowed = allowed_negatives(rows, table, links)
    triples = np.zeros((0, 3), np.int64)
    if recipe.constrained and groups.shape[1] == 4:
        triples = np.concatenate([place[:, [0, 1, 3]], place[:, [2, 3, 1]]])
    negatives = draw_negatives(pairs[:, 0], allowed, seed, step)
    return RankingBatch(rows, pairs, weights, negatives, allowed, triples, cursor)


def _pair_weights(recipe: Recipe, kinds: Sequence[str]) -> NDArray[np.float32]:
    """Weigh pairs from tracks against transitive pairs as 2M to 7M (section 6), with mean 1."""
    if set(recipe.positives) != {"intra", "transitive"}:
        return np.ones(len(kinds), np.float32)
    is_intra = np.array([kind == "intra" for kind in kinds])
    intra = recipe.intra_share / (2 / 5)  # two of a quadruple's five pairs
    other = (1 - recipe.intra_share) / (3 / 5)
    return np.where(is_intra, intra, other).astype(np.float32)


def _groups(
    source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, cursor: Cursor
) -> Iterator[tuple[NDArray[np.int64], Cursor]]:
    """Yield `quadruples_per_step` groups at a time, (Q, 4) or (Q, 2) rows, with the cursor behind them."""
    size = recipe.quadruples_per_step
    parts: list[NDArray[np.int64]] = []
    count = 0
    for rows, behind in _passes(source, recipe, table, seed, cursor):
        first = 0
        while first < len(rows):
            part = rows[first : first + size - count]
            parts.append(part)
            first, count = first + len(part), count + len(part)
            if count == size:
                yield np.concatenate(parts), Cursor(behind.epoch, behind.read - (len(rows) - first))
                parts, count = [], 0


def _passes(
    source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, cursor: Cursor
) -> Iterator[tuple[NDArray[np.int64], Cursor]]:
    """Yield the groups of pass after pass in arrays of any length, each with the cursor behind it."""
    epoch, read = cursor.epoch, cursor.read
    while True:
        for rows in _one_pass(source, recipe, table, seed, epoch, read):
            read += len(rows)
            yield rows, Cursor(epoch, read)
        if read == 0:
            raise nothing_to_learn(recipe)
        epoch, read = epoch + 1, 0


def _one_pass(
    source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, epoch: int, skip: int
) -> Iterator[NDArray[np.int64]]:
    """Yield rows of A, A', B, B', or of A, A' (tracking), or of A, B (inter), without the first `skip`."""
    if recipe.positives == ("intra",):
        tracks = table.tracks(held_out=False)
        yield tracks[generator(seed, RandomStream.TRACKS, epoch).permutation(len(tracks))[skip:]]
        return
    for rows in source.quadruples(seed, epoch, skip):
        yield rows[:, [0, 2]] if recipe.positives == ("inter",) else rows


def steps_for(
    images: int, source: TrainingSource, recipe: Recipe, table: PatchTable, seed: int, more_per_step: float = 0.0
) -> int:
    """Return the number of steps, at least 1, that encodes as nearly as possible `images` images.

    The images are counted on the batches of this seed, because quadruples of a small graph share patches and a shared
    patch is encoded once. `more_per_step` counts images that a step encodes besides those it ranks.
    """
    encoded = 0.0
    for steps, (groups, _) in enumerate(_groups(source, recipe, table, seed, Cursor())):
        after = encoded + len(np.unique(groups)) + more_per_step
        if steps and after - images > images - encoded:
            return steps
        encoded = after
    raise nothing_to_learn(recipe)
