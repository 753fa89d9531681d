"""Tests of nearest neighbours by kind: against a naive loop, and on vectors with known results."""

import numpy as np
import pytest

from graph.errors import InvalidInput
from tests.training.tiny import TinySource
from training.evaluation.kinds import known_starts, neighbours_by_kind, read_kinds


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_equal_a_naive_loop(seed):
    generator = np.random.default_rng(seed)
    video = generator.integers(0, 9, 60).astype(np.int32)
    kind = generator.integers(0, 4, 9)[video]
    vectors = generator.standard_normal((60, 5)) + kind[:, None]
    asked = video < 3
    hits, chances = {}, {}
    for query in np.flatnonzero(asked):
        others = [row for row in range(60) if video[row] != video[query]]
        if not any(kind[row] == kind[query] for row in others):
            continue
        cosine = [vectors[query] @ vectors[row] / np.linalg.norm(vectors[row]) for row in others]
        hits.setdefault(kind[query], []).append(kind[others[int(np.argmax(cosine))]] == kind[query])
        chances.setdefault(kind[query], []).append(np.mean([kind[row] == kind[query] for row in others]))
    found = neighbours_by_kind(vectors, kind, video, asked)
    assert found["precision@1"] == pytest.approx(np.mean([np.mean(one) for one in hits.values()]))
    assert found["chance"] == pytest.approx(np.mean([np.mean(one) for one in chances.values()]))
    assert (found["kinds"], found["queries"]) == (len(hits), sum(map(len, hits.values())))


def test_every_kind_counts_the_same_however_many_patches_show_it():
    kind = np.array([0] * 8 + [1] * 2)
    video = np.arange(10, dtype=np.int32)
    vectors = np.tile([1.0, 0.0], (10, 1))
    vectors[8] = [0.9, 0.1]  # nearer to the many of kind 0 than to the other of its kind
    vectors[9] = [0.0, 1.0]
    vectors[:8] += np.random.default_rng(0).normal(size=(8, 2)) * 1e-3
    found = neighbours_by_kind(vectors, kind, video, np.ones(10, bool))
    assert found["precision@1"] == pytest.approx((1.0 + 0.5) / 2)  # 9 asks and finds 8


def test_a_kind_of_one_video_cannot_be_asked():
    video = np.array([0, 0, 1], np.int32)
    assert neighbours_by_kind(np.eye(3), np.array([0, 0, 1]), video, np.ones(3, bool)) == {}


def test_starts_of_videos_of_an_unknown_kind_are_left_out():
    table = TinySource(videos=3, tracks=2).table()
    rows = known_starts(table, ["dog", "", "cat"])
    assert sorted(table.video[rows]) == [0, 0, 2, 2]
    assert (table.track[rows] == rows).all()


def test_kinds_are_read_and_a_line_without_a_kind_is_named(tmp_path):
    (tmp_path / "kinds.tsv").write_text("a.mp4\tperson\n\nb.mp4\tdog \textra\n")
    assert read_kinds(tmp_path / "kinds.tsv") == {"a.mp4": "person", "b.mp4": "dog"}
    (tmp_path / "bad.tsv").write_text("a.mp4 person\n")
    with pytest.raises(InvalidInput, match=r"'a.mp4 person' has no kind"):
        read_kinds(tmp_path / "bad.tsv")
    with pytest.raises(InvalidInput, match="is not a file"):
        read_kinds(tmp_path / "none.tsv")
