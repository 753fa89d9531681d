"""Tests of InfoNCE: a naive loop transcribed from equation 1 of Chen et al. 2020, masks, and closed forms."""

import math

import pytest
import torch

from training.contrast_loss import contrast_loss, info_nce


def cosine(x: list[float], y: list[float]) -> float:
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))


def naive_nt_xent(vectors: list[list[float]], partner: list[int], temperature: float) -> float:
    """Equation 1: -log(exp(s_ij / t) / sum over k != i of exp(s_ik / t)), averaged over all i."""
    total = 0.0
    for i, j in enumerate(partner):
        others = [math.exp(cosine(vectors[i], vectors[k]) / temperature) for k in range(len(vectors)) if k != i]
        total -= math.log(math.exp(cosine(vectors[i], vectors[j]) / temperature) / sum(others))
    return total / len(partner)


@pytest.fixture
def vectors():
    torch.manual_seed(5)
    return torch.randn(8, 6, dtype=torch.float64)


def test_two_views_of_each_picture_equal_the_naive_loop(vectors):
    loss = contrast_loss(vectors, torch.arange(4), 1, 0.2)
    assert float(loss) == pytest.approx(naive_nt_xent(vectors.tolist(), [4, 5, 6, 7, 0, 1, 2, 3], 0.2), rel=1e-9)


def test_two_ranks_hold_the_same_batch_in_another_order(vectors):
    by_rank = vectors[[0, 1, 4, 5, 2, 3, 6, 7]]  # rank 0: pictures 0 and 1, both views; rank 1: 2 and 3
    one, two = contrast_loss(vectors, torch.arange(4), 1, 0.2), contrast_loss(by_rank, torch.arange(4), 2, 0.2)
    assert float(one) == pytest.approx(float(two), rel=1e-9)


def test_a_picture_that_is_there_twice_is_no_negative_of_itself(vectors):
    twice = contrast_loss(vectors, torch.tensor([0, 1, 0, 3]), 1, 0.2)
    rows, partner, picture = vectors.tolist(), [4, 5, 6, 7, 0, 1, 2, 3], [0, 1, 0, 3, 0, 1, 0, 3]
    total = 0.0
    for i, j in enumerate(partner):
        near = math.exp(cosine(rows[i], rows[j]) / 0.2)
        far = sum(math.exp(cosine(rows[i], rows[k]) / 0.2) for k in range(8) if picture[k] != picture[i])
        total -= math.log(near / (near + far))
    assert float(twice) == pytest.approx(total / 8, rel=1e-9)


def test_pairs_weights_and_masks_equal_a_naive_loop(vectors):
    pairs, weights = torch.tensor([[0, 1], [2, 5], [0, 6]]), torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    allowed = torch.rand(8, 8, generator=torch.Generator().manual_seed(1)) < 0.5
    rows = vectors.tolist()
    total = 0.0
    for (a, b), weight in zip(pairs.tolist(), weights.tolist(), strict=True):
        for i, j in ((a, b), (b, a)):
            near = math.exp(cosine(rows[i], rows[j]) / 0.3)
            far = sum(math.exp(cosine(rows[i], rows[k]) / 0.3) for k in range(8) if allowed[i, k])
            total -= weight * math.log(near / (near + far))
    loss = info_nce(vectors, pairs, weights, allowed, 0.3)
    assert float(loss) == pytest.approx(total / (2 * 3.5), rel=1e-9)


def test_identical_vectors_give_the_logarithm_of_how_many_there_are():
    same = torch.ones(10, 4)
    assert float(contrast_loss(same, torch.arange(5), 1, 0.2)) == pytest.approx(math.log(9), rel=1e-5)


def test_a_pair_without_negatives_adds_nothing_and_has_a_gradient_of_zero(vectors):
    vectors.requires_grad_(True)
    allowed = torch.zeros(8, 8, dtype=torch.bool)
    loss = info_nce(vectors, torch.tensor([[0, 1]]), torch.ones(1), allowed, 0.2)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_the_scale_of_a_vector_does_not_matter(vectors):
    scaled = vectors * torch.rand(8, 1, dtype=torch.float64).add(0.1)
    one, two = (contrast_loss(some, torch.arange(4), 1, 0.2) for some in (vectors, scaled))
    assert float(one) == pytest.approx(float(two), rel=1e-9)
