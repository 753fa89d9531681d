"""The ranking loss of section 5, its hard negatives, and the effective rank.

L(X, X+, X-) = max(0, D(X, X+) - D(X, X-) + m),   D(X, Y) = 1 - F(X)·F(Y) / (|F(X)| |F(Y)|),   m = 0.5
"""

import torch
from torch import Tensor
from torch.nn import functional


def cosine_distances(embeddings: Tensor) -> Tensor:
    """Return the (N, N) distances D = 1 - cosine, from 0 to 2, of all pairs of (N, E) embeddings. Section 5.

    Computed in float32 at least: neighbouring bfloat16 values near a cosine of 1 are 0.004 apart.
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
        negatives: (P, K) rows of X-, -1 if there is none; that triplet adds nothing.
        weights: (P,) weight of each pair.
        margin: m.
        divisor: the constant. With the number of active triplets instead, a few hard triplets would weigh as much as
            many.

    Returns:
        The loss, and the share of existing triplets whose hinge is above zero.
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
    """Penalise D(A, A') > D(A, B') for (T, 3) rows A, A', B': the term that the paper tried (section 5, end)."""
    near = distances[triples[:, 0], triples[:, 1]]
    far = distances[triples[:, 0], triples[:, 2]]
    return (near - far + margin).clamp(min=0).sum() / divisor


def hardest(distances: Tensor, anchors: Tensor, allowed: Tensor, count: int) -> Tensor:
    """Return each anchor's `count` nearest allowed rows as negatives: (P,) → (P, count), -1 if there are fewer.

    `allowed` is (N, N), true where the column may be a negative of the row.
    """
    with torch.no_grad():
        far = distances.detach().masked_fill(~allowed, torch.inf)[anchors]
        nearest, rows = far.topk(min(count, far.shape[1]), dim=1, largest=False)
        return rows.masked_fill(torch.isinf(nearest), -1)


def effective_rank(embeddings: Tensor) -> float:
    """Return the effective rank of (N, E) unit vectors: exp of the entropy of their singular values.

    From 1, for a collapsed network, to min(N, E). Roy and Vetterli 2007.
    """
    unit = functional.normalize(embeddings.detach().float(), dim=1)
    if not unit.isfinite().all():
        return float("nan")
    values = torch.linalg.svdvals(unit)
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))
