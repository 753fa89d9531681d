"""Tests of exact nearest neighbours, of float32 and of float16 vectors, against a full sort."""

import numpy as np

from graph.nearest import nearest_by_cosine, nearest_of_halves


def test_rows_and_cosines_are_those_of_a_full_sort() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(211, 17)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions = vectors[generator.permutation(211)[:40]]
    rows, cosines = nearest_by_cosine(vectors, questions, 9)
    similar = questions @ vectors.T
    expected = np.argsort(-similar, axis=1)[:, :9]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(cosines, np.take_along_axis(similar, expected, 1), atol=1e-6)


def test_fewer_vectors_than_asked_for_are_all_returned() -> None:
    rows, _ = nearest_by_cosine(np.eye(3, dtype=np.float16), np.eye(3, dtype=np.float16)[:1], 10)
    assert sorted(rows[0].tolist()) == [0, 1, 2]
    assert rows[0, 0] == 0


def test_halves_are_ordered_as_by_a_full_sort() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(101, 37)).astype(np.float32)
    halves = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    question = vectors[3] / np.linalg.norm(vectors[3])
    rows, cosines = nearest_of_halves(halves[::2], question, 9)
    expected = halves[::2].astype(np.float32) @ question
    assert rows.tolist() == np.argsort(-expected)[:9].tolist()
    np.testing.assert_allclose(cosines, np.sort(expected)[::-1][:9], atol=1e-6)


def test_fewer_halves_than_asked_for_are_all_returned() -> None:
    halves = np.eye(3, dtype=np.float16)
    rows, cosines = nearest_of_halves(halves[:2], np.float32([0, 1, 0]), 5)
    assert (rows.tolist(), cosines.tolist()) == ([1, 0], [1, 0])
    assert nearest_of_halves(halves[:0], np.float32([0, 1, 0]), 5)[0].tolist() == []
