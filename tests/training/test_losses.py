"""Tests of the ranking loss: a naive loop transcribed from section 5, symmetries, closed forms and gradients."""

import math

import pytest
import torch

from training.losses import constrained_loss, cosine_distances, effective_rank, hardest, ranking_loss


def naive_distance(x: list[float], y: list[float]) -> float:
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return 1 - dot / (math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(b * b for b in y)))


def naive_loss(vectors: list[list[float]], triplets: list[tuple[int, int, int, float]], margin: float, divisor: float):
    """Return section 5's loss, term by term: L(X, X+, X-) = max{0, D(X, X+) - D(X, X-) + m}."""
    total = 0.0
    for anchor, positive, negative, weight in triplets:
        near = naive_distance(vectors[anchor], vectors[positive])
        far = naive_distance(vectors[anchor], vectors[negative])
        total += weight * max(0.0, near - far + margin)
    return total / divisor


@pytest.fixture
def batch():
    torch.manual_seed(3)
    vectors = torch.randn(12, 7, dtype=torch.float64)
    pairs = torch.tensor([[0, 1], [2, 3], [4, 9], [10, 5], [0, 3]])
    negatives = torch.tensor([[6], [7], [8], [11], [2]])
    weights = torch.tensor([1.0, 0.5, 2.0, 1.3, 0.7], dtype=torch.float64)
    return vectors, pairs, negatives, weights


def test_equals_the_naive_loop(batch):
    vectors, pairs, negatives, weights = batch
    loss, active = ranking_loss(cosine_distances(vectors), pairs, negatives, weights, 0.5, 5.0)
    triplets = [(int(p[0]), int(p[1]), int(n), float(w)) for p, n, w in zip(pairs, negatives, weights, strict=True)]
    assert float(loss) == pytest.approx(naive_loss(vectors.tolist(), triplets, 0.5, 5.0), abs=1e-12)
    each = [naive_loss(vectors.tolist(), [t], 0.5, 1.0) > 0 for t in triplets]
    assert float(active) == pytest.approx(sum(each) / len(each))


def test_several_negatives_are_averaged(batch):
    vectors, pairs, negatives, weights = batch
    distances = cosine_distances(vectors)
    one, _ = ranking_loss(distances, pairs, negatives, weights, 0.5, 5.0)
    two, _ = ranking_loss(distances, pairs, negatives.roll(1, 0), weights, 0.5, 5.0)
    both, _ = ranking_loss(distances, pairs, torch.cat([negatives, negatives.roll(1, 0)], 1), weights, 0.5, 5.0)
    assert float(both) == pytest.approx(float(one + two) / 2)


def test_a_pair_without_negative_counts_nothing(batch):
    vectors, pairs, negatives, weights = batch
    without = negatives.clone()
    without[1:] = -1
    loss, active = ranking_loss(cosine_distances(vectors), pairs, without, weights, 0.5, 5.0)
    alone, _ = ranking_loss(cosine_distances(vectors), pairs[:1], negatives[:1], weights[:1], 0.5, 5.0)
    assert float(loss) == pytest.approx(float(alone))
    assert float(active) in (0.0, 1.0)


def test_order_of_images_does_not_matter(batch):
    vectors, pairs, negatives, weights = batch
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    place = torch.argsort(order)
    loss, _ = ranking_loss(cosine_distances(vectors), pairs, negatives, weights, 0.5, 5.0)
    moved, _ = ranking_loss(cosine_distances(vectors[order]), place[pairs], place[negatives], weights, 0.5, 5.0)
    assert float(moved) == pytest.approx(float(loss), abs=1e-12)


def test_length_of_vectors_does_not_matter(batch):
    vectors, pairs, negatives, weights = batch
    stretched = vectors * torch.arange(1, 13, dtype=torch.float64).unsqueeze(1)
    loss, _ = ranking_loss(cosine_distances(vectors), pairs, negatives, weights, 0.5, 5.0)
    other, _ = ranking_loss(cosine_distances(stretched), pairs, negatives, weights, 0.5, 5.0)
    assert float(other) == pytest.approx(float(loss), abs=1e-12)


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        ([1.0, 0.0], [-1.0, 0.0], 0.0),  # positive equal, negative opposite
        ([1.0, 0.0], [1.0, 0.0], 0.5),  # all equal: the loss is the margin
        ([0.0, 1.0], [1.0, 0.0], 1.5),  # positive orthogonal, negative equal
        ([-1.0, 0.0], [1.0, 0.0], 2.5),  # the maximum
    ],
)
def test_closed_forms(positive, negative, expected):
    vectors = torch.tensor([[2.0, 0.0], positive, negative])
    loss, _ = ranking_loss(
        cosine_distances(vectors), torch.tensor([[0, 1]]), torch.tensor([[2]]), torch.ones(1), 0.5, 1.0
    )
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_gradients_are_those_of_the_formula(batch):
    vectors, pairs, negatives, weights = batch
    extra = torch.tensor([[0, 1, 3], [2, 3, 1]])

    def function(x):
        distances = cosine_distances(x)
        return ranking_loss(distances, pairs, negatives, weights, 0.5, 5.0)[0] + constrained_loss(
            distances, extra, 0.1, 2.0
        )

    assert torch.autograd.gradcheck(function, vectors.clone().requires_grad_())


def test_constrained_term_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    triples = torch.tensor([[0, 1, 2], [0, 2, 1]])  # A' orthogonal, B' equal: violated by 1; then satisfied
    assert float(constrained_loss(cosine_distances(vectors), triples, 0.0, 4.0)) == pytest.approx(0.25)


def test_hardest_are_the_nearest_allowed(batch):
    vectors, pairs, _, _ = batch
    distances = cosine_distances(vectors)
    allowed = torch.zeros(12, 12, dtype=torch.bool)
    allowed[0, [4, 6, 8]] = True
    allowed[2, [5]] = True
    found = hardest(distances, pairs[:2, 0], allowed, 2)
    expected = sorted([4, 6, 8], key=lambda row: float(distances[0, row]))[:2]
    assert found.tolist() == [expected, [5, -1]]


def test_effective_rank_of_known_spectra():
    assert effective_rank(torch.ones(20, 8)) == pytest.approx(1.0, abs=1e-3)
    assert effective_rank(torch.eye(8)) == pytest.approx(8.0, abs=1e-3)
