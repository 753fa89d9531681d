"""Embeddings and rows of pairs come in; the ranking loss of section 5 and its measures go out.

L(X, X+, X-) = max(0, D(X, X+) - D(X, X-) + m),   D(X, Y) = 1 - F(X)·F(Y) / (|F(X)| |F(Y)|),   m = 0.5
"""

import torch
from torch import Tensor
from torch.nn import functional


def cosine_distances(embeddings: Tensor) -> Tensor:
    """Compare all with all: (N, E) → (N, N), D = 1 - cosine, from 0 to 2. Section 5.

    Always in at least float32: at a bfloat16 cosine near 1 neighbouring values lie 0.004 apart.
    """
    precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    unit = functional.normalize(precise, dim=1)
    return 1 - unit @ unit.T


def ranking_loss(
    distances: Tensor, pairs: Tensor, negatives: Tensor, weights: Tensor, margin: float, divisor: float
) -> tuple[Tensor, Tensor]:
    """Sum the hinge over all triplets and divide it by a constant.

    Args:
        distances: (N, N) from `cosine_distances`.
        pairs: (P, 2) rows of anchor X and positive X+.
        negatives: (P, K) rows of X-, -1 where there is none: that triplet counts nothing.
        weights: (P,) weight of each pair.
        margin: m.
        divisor: the constant; not the number of active triplets, which would make few hard ones as loud as many.

    Returns:
        The loss, and the share of triplets (of those there are) whose hinge is above zero.
    """
    anchor, positive = pairs[:, 0], pairs[:, 1]
    there = negatives >= 0
    near = distances[anchor, positive].unsqueeze(1)
    far = distances[anchor.unsqueeze(1), negatives.clamp(min=0)]
    hinge = (near - far + margin).clamp(min=0) * there
    loss = (hinge * weights.unsqueeze(1)).sum() / (divisor * negatives.shape[1])
    active = ((hinge > 0) & there).sum() / there.sum().clamp(min=1)
    return loss, active.detach()


def constrained_loss(distances: Tensor, triples: Tensor, margin: float, divisor: float) -> Tensor:
    """Ask D(A, A') < D(A, B') of (T, 3) rows A, A', B': the term the paper tried. Section 5, end."""
    near = distances[triples[:, 0], triples[:, 1]]
    far = distances[triples[:, 0], triples[:, 2]]
    return (near - far + margin).clamp(min=0).sum() / divisor


def hardest(distances: Tensor, anchors: Tensor, allowed: Tensor, count: int) -> Tensor:
    """Choose each anchor's `count` nearest allowed rows as negatives: (P,) → (P, count), -1 where there are fewer.

    `allowed` is (N, N), true where the column may be the row's negative.
    """
    with torch.no_grad():
        far = distances.detach().masked_fill(~allowed, torch.inf)[anchors]
        nearest, rows = far.topk(min(count, far.shape[1]), dim=1, largest=False)
        return rows.masked_fill(torch.isinf(nearest), -1)


def effective_rank(embeddings: Tensor) -> float:
    """Measure how many directions (N, E) vectors of length 1 use: exp of the entropy of their singular values.

    Roy and Vetterli 2007. 1 for a collapsed network, up to min(N, E).
    """
    unit = functional.normalize(embeddings.detach().float(), dim=1)
    if not unit.isfinite().all():
        return float("nan")
    values = torch.linalg.svdvals(unit)
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))
