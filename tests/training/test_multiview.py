"""Tests of the multiview study: folds, tracks, links and measures on synthetic objects, against naive loops."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph.errors import InvalidInput
from graph.linking.parameters import LinkParameters
from tests.training.small import small, train_small
from training.evaluation import multiview
from training.evaluation.multiview_data import draw_ends, fold_of, linked_source, read_views, with_purity
from training.evaluation.multiview_metrics import multiview_metrics, ranked_precision
from training.links import Links

CATEGORIES, OBJECTS, VIEWS = 3, 4, 18


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write objects with one colour per category and independent noise."""
    root = tmp_path_factory.mktemp("objects")
    for category in range(CATEGORIES):
        for number in range(OBJECTS):
            place = root / f"kind{category}" / f"object{number}"
            place.mkdir(parents=True)
            for view in range(VIEWS):
                noise = np.random.default_rng((category, number, view)).integers(0, 60, (20, 20, 3))
                noise[..., category] += 150
                data = io.BytesIO()
                Image.fromarray(noise.astype(np.uint8)).save(data, "JPEG")
                (place / f"{view:03}.jpg").write_bytes(data.getvalue())
    return root


def test_a_fold_reports_one_object_chooses_by_the_next_and_learns_from_the_others(folder):
    views = read_views(folder)
    assert len(views.jpegs) == CATEGORIES * OBJECTS * VIEWS
    fold = fold_of(views, 3)
    assert set(fold.reported.object) == {3}
    assert set(fold.choosing.object) == {0}
    assert set(fold.learned.object) == {1, 2}
    assert not set(fold.learned.instance) & set(fold.reported.instance)
    assert set(fold_of(views, 4).reported.object) == {0}  # counted round


def test_folders_that_are_no_objects_are_said(tmp_path):
    with pytest.raises(InvalidInput, match="folder per category"):
        read_views(tmp_path)
    (tmp_path / "a" / "one").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="three folders of objects"):
        read_views(tmp_path)


def test_tracks_end_at_another_view_of_the_object_and_links_join_objects(folder):
    learned = fold_of(read_views(folder), 0).learned
    features = learned.pixels.mean((1, 2)).astype(np.float32)
    source = linked_source(learned, features, "colours", 0, LinkParameters(linked_share=0.5))
    ends = draw_ends(learned.instance, 0)
    assert (ends != np.arange(len(ends))).all()
    assert (learned.instance[ends] == learned.instance).all()
    assert sorted(ends) == list(range(len(ends)))
    table, links = source.table(), Links(source.table(), source)
    assert [table.ids[row] for row in (0, 1, 2)] == ["000000a", "000000b", "000001a"]
    assert (table.track[1::2] == np.arange(0, len(table.ids), 2)).all()
    assert len(links.edges) > 0
    assert (learned.instance[source.edges[:, 0]] != learned.instance[source.edges[:, 1]]).all()
    (quadruples,) = source.quadruples(0, 0, 2)
    assert len(quadruples) == len(source.edges) - 2
    assert (quadruples[:, 1] == quadruples[:, 0] + 1).all()
    assert (quadruples[:, 3] == quadruples[:, 2] + 1).all()
    pair = source.patch_jpegs(["000005a", "000005b"])
    assert pair == [learned.jpegs[5], learned.jpegs[ends[5]]]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_purity_set_by_hand(folder, share):
    learned = fold_of(read_views(folder), 0).learned
    made = linked_source(learned, learned.pixels.mean((1, 2)), "colours", 0, LinkParameters())
    source = with_purity(made, share, seed=1)
    category = learned.category[source.edges]
    right = (category[:, 0] == category[:, 1]).mean()
    assert right == pytest.approx(share, abs=0.03)  # an existing link counts once
    assert (learned.instance[source.edges[:, 0]] != learned.instance[source.edges[:, 1]]).all()


def test_average_precision_equals_a_naive_loop():
    draws = np.random.default_rng(0)
    similar, same = draws.random((6, 20)), draws.random((6, 20)) < 0.4
    allowed = draws.random((6, 20)) < 0.8
    hit, precision = ranked_precision(similar, same, allowed)
    for query in range(6):
        order = sorted((g for g in range(20) if allowed[query, g]), key=lambda g, q=query: -similar[q, g])
        right = sum(same[query, g] for g in order)
        found, total = 0, 0.0
        for rank, g in enumerate(order[:right], start=1):
            if same[query, g]:
                found += 1
                total += found / rank
        assert bool(hit[query]) == bool(same[query, order[0]])
        assert precision[query] == pytest.approx(total / right)


def test_far_views_are_at_least_three_steps_of_the_ring_apart(folder):
    fold = fold_of(read_views(folder), 0)
    asked, held = np.eye(VIEWS)[fold.reported.view], np.eye(VIEWS)[fold.learned.view]
    found = multiview_metrics(asked, fold.reported, held, fold.learned)
    # Equal views are nearest, in every category; distant views are independent of each other.
    assert found["far precision@1"] == pytest.approx(1 / CATEGORIES, abs=0.01)
    exact = np.eye(CATEGORIES)
    perfect = multiview_metrics(
        exact[fold.reported.category], fold.reported, exact[fold.learned.category], fold.learned
    )
    assert all(value == 1 for value in perfect.values())


def test_the_study_trains_measures_and_goes_on(folder, tmp_path, monkeypatch):
    train_small(tmp_path, "contrast", changes={"iterations": 2})
    monkeypatch.setattr(multiview, "get_recipe", lambda name, preset, start: replace(small(name), initial=start))
    rows = ("scratch", "contrast", "contrast-tracking", multiview.GROWN)

    def study():
        return multiview.compare_multiview(
            rows,
            read_views(folder),
            tmp_path / "out",
            preset="demo",
            seeds=[0],
            initial=tmp_path / "contrast",
            images=None,
            image_budget=60,
            device="cpu",
        )

    found = study()
    assert set(found.measures) == set(rows)
    assert all("multiview/pool5/far mAP@R" in run for runs in found.measures.values() for run in runs)
    assert "right" in found.facts["links"][0]
    assert "mAP@R" in (tmp_path / "out" / "comparison.md").read_text()
    monkeypatch.setattr(multiview, "_measure", lambda *rest: pytest.fail("measured again"))
    assert study().measures == found.measures
