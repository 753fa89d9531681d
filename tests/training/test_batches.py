"""Tests of the ranking loss's mini-batches: the paper's pairs, each image once, and negatives that the graph allows."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from graph.errors import InvalidInput
from tests.training.tiny import TinySource
from training.batches import Cursor, ranking_batches
from training.distributed import share
from training.links import Links
from training.negatives import allowed_negatives
from training.recipes import RECIPES, get_recipe, with_iterations
from training.source_checks import check_learnable


def batches(recipe, source, count, step=0, cursor=None, seed=5):
    cursor = cursor or Cursor()
    table = source.table()
    return list(islice(ranking_batches(source, recipe, table, Links(table, source), seed, step, cursor), count))


def tiny(name, pairs=15):
    return replace(get_recipe(name, "demo"), batch_pairs=pairs)


def test_a_quadruple_gives_the_five_pairs_of_section_5():
    source = TinySource()
    expected = set()
    for a, a_prime, b, b_prime in np.concatenate(list(source.quadruples(5, 0, 0)))[:3].tolist():
        expected |= {(a, a_prime), (b, b_prime), (a, b_prime), (a_prime, b), (a_prime, b_prime)}
    batch = batches(tiny("transitive"), source, 1)[0]
    found = {tuple(batch.rows[pair]) for pair in batch.pairs}
    assert found == expected


def test_every_image_is_encoded_once():
    for batch in batches(tiny("transitive", 50), TinySource(), 20):
        assert len(np.unique(batch.rows)) == len(batch.rows)
        assert set(np.unique(batch.pairs)) == set(range(len(batch.rows)))


def test_tracks_and_transitivity_weigh_two_to_seven():
    batch = batches(tiny("transitive"), TinySource(), 1)[0]
    table = TinySource().table()
    intra = table.track[batch.rows[batch.pairs[:, 0]]] == table.track[batch.rows[batch.pairs[:, 1]]]
    assert batch.weights[intra].sum() / batch.weights.sum() == pytest.approx(2 / 9, rel=1e-5)
    assert batch.weights.mean() == pytest.approx(1.0, rel=1e-5)


def test_added_tracks_are_drawn_from_all_tracks_and_leave_the_quadruples_as_they_are():
    """Three videos; only parent 0 is linked, so most tracks are in no quadruple."""

    class FewLinks(TinySource):
        def quadruples(self, seed, epoch, skip):
            parent = self.table().parent
            return (rows[parent[rows[:, 0]] == 0] for rows in super().quadruples(seed, epoch, skip))

    source = FewLinks(videos=3, tracks=6)
    table = source.table()
    tracks = {tuple(track) for track in table.tracks(held_out=False).tolist()}
    recipe = tiny("transitive")
    plain, more = (batches(one, source, 30) for one in (recipe, replace(recipe, added_tracks=4)))
    seen = set()
    for before, after in zip(plain, more, strict=True):
        pairs = [tuple(pair) for pair in after.rows[after.pairs].tolist()]
        assert pairs[:-4] == [tuple(pair) for pair in before.rows[before.pairs].tolist()]
        assert len(set(pairs[-4:])) == 4
        assert after.weights.tolist() == [*before.weights.tolist(), 1, 1, 1, 1]
        assert len(np.unique(after.rows)) == len(after.rows)
        seen |= set(pairs[-4:])
    assert seen == tracks
    assert "added_tracks" in replace(recipe, added_tracks=4).numbers()
    assert "added_tracks" not in recipe.numbers()  # names of models that were trained before stay the same


def test_added_tracks_are_the_same_after_a_resume():
    recipe = replace(tiny("transitive"), added_tracks=4)
    through = batches(recipe, TinySource(), 4)
    (again,) = batches(recipe, TinySource(), 1, step=3, cursor=through[2].cursor)
    assert again.rows[again.pairs].tolist() == through[3].rows[through[3].pairs].tolist()


def test_negatives_follow_the_rules():
    source = TinySource()
    table = source.table()
    linked = {frozenset(pair) for pair in source.links().tolist()}
    seen = set()
    for batch in batches(tiny("transitive", 50), source, 30):
        for (anchor, _), (negative,) in zip(batch.pairs, batch.negatives, strict=True):
            x, c = batch.rows[anchor], batch.rows[negative]
            assert table.parent[x] != table.parent[c]
            assert table.video[x] != table.video[c]
            assert frozenset((int(table.track[x]), int(table.track[c]))) not in linked
            seen.add(int(c))
    assert len(seen) == len(table.ids)  # and every patch serves as one


def test_a_batch_without_negatives_takes_distractors_in():
    """Two videos whose links are all in one cluster, so the patches of a batch are not negatives of each other."""

    class OneCluster(TinySource):
        def quadruples(self, seed, epoch, skip):
            parent = self.table().parent
            return (rows[parent[rows[:, 0]] == 0] for rows in super().quadruples(seed, epoch, skip))

    source = OneCluster(videos=2, tracks=6, parents=3)
    table = source.table()
    seen = set()
    for batch in batches(tiny("transitive", 20), source, 80):
        paired = np.unique(batch.pairs)
        assert (table.parent[batch.rows[paired]] == 0).all()
        assert np.array_equal(paired, np.arange(len(paired)))  # the distractors follow
        assert 1 <= len(batch.rows) - len(paired) <= 2  # one patch of each video is the negative of all of the other
        assert len(np.unique(batch.rows)) == len(batch.rows)
        assert (batch.negatives >= len(paired)).all()
        chosen = batch.rows[batch.negatives[:, 0]]
        assert (table.video[batch.rows[batch.pairs[:, 0]]] != table.video[chosen]).all()
        seen |= set(chosen.tolist())
    assert seen == set(np.flatnonzero(table.parent != 0).tolist())


def test_random_negatives_are_equally_likely():
    source = TinySource(videos=3, tracks=2, parents=2)
    counts: dict[int, int] = {}
    for batch in batches(tiny("tracking", 6), source, 400):
        anchors = batch.rows[batch.pairs[:, 0]]
        where = np.flatnonzero(anchors == source.table().track[anchors].min())
        for place in where:
            negative = int(batch.rows[batch.negatives[place, 0]])
            counts[negative] = counts.get(negative, 0) + 1
    assert len(counts) == 4
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_linked_patches_of_different_clusters_are_no_negatives():
    source = TinySource(videos=2, tracks=2, parents=2)
    table = source.table()
    start = [index for index in range(len(table.ids)) if table.track[index] == index]
    a = start[0]
    b = next(s for s in start if table.video[s] != table.video[a] and table.parent[s] != table.parent[a])

    class Linked(TinySource):
        def links(self):
            return np.array([(a, b)])

    ends = [index for index in range(len(table.ids)) if table.track[index] == b]
    rows = np.array(sorted({a, *ends}))
    free = allowed_negatives(rows, table, Links(table, source))
    held = allowed_negatives(rows, table, Links(table, Linked(videos=2, tracks=2, parents=2)))
    place = int(np.flatnonzero(rows == a)[0])
    others = rows != a
    assert free[place][others].all()
    assert not held[place][others].any()
    assert not held[:, place].any()


def test_a_resumed_stream_gives_the_same_batches():
    recipe = tiny("transitive", 25)
    whole = batches(recipe, TinySource(), 12)
    rest = batches(recipe, TinySource(), 6, step=6, cursor=whole[5].cursor)
    for before, after in zip(whole[6:], rest, strict=True):
        for name in ("rows", "pairs", "weights", "negatives", "allowed", "triples"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name
        assert before.cursor == after.cursor
    assert whole[-1].cursor.epoch > 0  # the stream has continued into a second pass


def test_one_pass_meets_every_quadruple_once():
    source = TinySource()
    total = sum(len(rows) for rows in source.quadruples(5, 0, 0))
    read = batches(tiny("transitive", 15), source, total // 3)
    starts = [batch.cursor for batch in read]
    assert starts[-1] == Cursor(0, total)


@pytest.mark.parametrize("name", ["tracking", "inter", "multitask"])
def test_pair_recipes_give_their_own_pairs(name):
    source = TinySource()
    table = source.table()
    batch = batches(tiny(name, 8), source, 1)[0]
    same_track = table.track[batch.rows[batch.pairs[:, 0]]] == table.track[batch.rows[batch.pairs[:, 1]]]
    assert same_track.all() if name != "inter" else not same_track.any()


def test_held_out_videos_take_no_part():
    source = TinySource(held_out_videos=1)
    table = source.table()
    for name in ("transitive", "tracking"):
        for batch in batches(tiny(name), source, 10):
            assert not table.held_out[batch.rows].any()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (TinySource(parents=1), "one parent cluster"),
        (TinySource(videos=1), "one video"),
        (TinySource(videos=0), "no quadruples"),
    ],
)
def test_nothing_to_learn_is_said(source, text):
    with pytest.raises(InvalidInput, match=text):
        check_learnable(source.table(), get_recipe("transitive"))


def test_no_quadruple_is_said():
    class Unlinked(TinySource):
        def quadruples(self, seed, epoch, skip):
            return iter(())

    with pytest.raises(InvalidInput, match="no quadruples"):
        batches(tiny("transitive"), Unlinked(), 1)


def test_constrained_triples_are_a_start_its_end_and_the_other_end():
    source = TinySource()
    table = source.table()
    batch = batches(tiny("constrained"), source, 1)[0]
    a, a_prime, b_prime = (table.track[batch.rows[batch.triples[:, k]]] for k in range(3))
    assert (a == a_prime).all()
    assert (a != b_prime).all()
    assert len(batch.triples) == 6


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_has_every_preset(name):
    for preset in ("paper", "h200", "cpu-small", "demo"):
        recipe = get_recipe(name, preset)
        assert (recipe.name, recipe.preset) == (name, preset)


def test_compiling_is_for_long_schedules_of_one_shape():
    long = get_recipe("transitive", "h200")
    assert long.compiles
    assert not with_iterations(long, 100).compiles
    assert not get_recipe("context", "h200").compiles
    assert not get_recipe("transitive", "paper").compiles


def test_linked_starts_are_found_as_a_loop_finds_them():
    source = TinySource(videos=6, tracks=5, parents=3)
    table = source.table()
    links = Links(table, source)
    starts = np.unique(np.random.default_rng(0).choice(table.track, 40)).astype(np.int64)
    naive = [[other in links.of(int(start)) for other in starts] for start in starts]
    assert np.array(naive).any()
    assert np.array_equal(links.among(starts), naive)


def test_a_share_fills_up_with_the_first_row():
    rows = np.arange(10, 23)
    assert share(rows).tolist() == rows.tolist()
    assert share(rows, multiple=8).tolist() == [*rows, 10, 10, 10]
    assert share(rows[:8], multiple=8).tolist() == rows[:8].tolist()


def test_the_papers_numbers():
    recipe = get_recipe("transitive")
    assert (recipe.margin, recipe.learning_rate, recipe.batch_pairs, recipe.iterations) == (0.5, 0.001, 100, 200_000)
    assert (recipe.hidden, recipe.embedding, recipe.trunk) == (4096, 1024, "vgg16")
    assert recipe.images_per_step == 80  # 20 quadruples of four images give the 100 pairs


@pytest.mark.parametrize(("name", "preset"), [("transitiv", "paper"), ("transitive", "fast")])
def test_unknown_names_list_the_known(name, preset):
    with pytest.raises(InvalidInput, match=r"transitive|cpu-small"):
        get_recipe(name, preset)
