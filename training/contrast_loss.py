"""InfoNCE over the pairs of a batch, with a mask of who may be whose negative.

van den Oord et al. 2018 (https://arxiv.org/abs/1807.03748); over augmented views it is SimCLR's NT-Xent
(Chen et al. 2020, equation 1, https://arxiv.org/abs/2002.05709).
"""

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(embeddings: Tensor, pairs: Tensor, weights: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Average over the pairs, taken both ways, -log(e^(s_xy / t) / (e^(s_xy / t) + sum of e^(s_xn / t))).

    s is the cosine, n runs over the rows that `allowed` lets be negatives of x.

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


def view_pairs(pictures: int, ranks: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pairs of two views of `pictures` pictures on each of `ranks`, and who may be whose negative.

    The rows of a batch of all ranks: those of rank 0 (the first view of each picture, then the second), then rank 1's.

    Returns:
        (P, 2) pairs and (2 P, 2 P) `allowed`: any view of another picture. P = pictures · ranks.
    """
    rows = torch.arange(2 * pictures * ranks, device=device)
    picture = rows // (2 * pictures) * pictures + rows % pictures
    first = rows[rows // pictures % 2 == 0]
    return torch.stack([first, first + pictures], dim=1), picture.unsqueeze(1) != picture.unsqueeze(0)
