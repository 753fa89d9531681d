"""InfoNCE over the pairs of a batch, with a mask of the allowed negatives.

van den Oord et al. 2018 (https://arxiv.org/abs/1807.03748); over augmented views it is SimCLR's NT-Xent
(Chen et al. 2020, equation 1, https://arxiv.org/abs/2002.05709).
"""

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(embeddings: Tensor, pairs: Tensor, weights: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Average over the pairs, taken both ways, -log(e^(s_xy / t) / (e^(s_xy / t) + sum of e^(s_xn / t))).

    s is the cosine, and n runs over the rows that `allowed` permits as negatives of x.

    Args:
        embeddings: (N, E), not normalised.
        pairs: (P, 2) rows of two images that show the same.
        weights: (P,) weight of each pair.
        allowed: (N, N) true where the column may be the row's negative.
        temperature: t.

    Returns:
        The loss, in at least float32; a row without negatives adds nothing.
    """
    precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    unit = functional.normalize(precise, dim=1)
    similar = unit @ unit.T / temperature
    # not -inf: a row without negatives would have no gradient but NaN
    lowest = torch.finfo(similar.dtype).min / 2
    against = similar.masked_fill(~allowed, lowest).logsumexp(1)
    from_to = torch.cat([pairs, pairs.flip(1)])
    both = torch.cat([weights, weights]).to(similar.dtype)
    near, far = similar[from_to[:, 0], from_to[:, 1]], against[from_to[:, 0]]
    return ((torch.logaddexp(far, near) - near) * both).sum() / both.sum().clamp(min=1e-12)


def contrast_loss(embeddings: Tensor, pictures: Tensor, ranks: int, temperature: float) -> Tensor:
    """Compute InfoNCE over two views of each picture; any view of another picture is a negative.

    Args:
        embeddings: (2 P, E) of all ranks: those of rank 0 (the first view of each of its pictures, then the second),
            then rank 1's, and so on.
        pictures: (P,) number of each picture, rank after rank. A picture that occurs twice is not a negative of itself.
        ranks: number of processes that share the batch.
        temperature: t.
    """
    each = pictures.view(ranks, -1)
    rows = torch.arange(len(embeddings), device=embeddings.device).view(ranks, 2, -1)
    of_row = torch.stack([each, each], dim=1).flatten()
    pairs = torch.stack([rows[:, 0].flatten(), rows[:, 1].flatten()], dim=1)
    allowed = of_row.unsqueeze(1) != of_row.unsqueeze(0)
    return info_nce(embeddings, pairs, torch.ones(len(pairs), device=embeddings.device), allowed, temperature)
