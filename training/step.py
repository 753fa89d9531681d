"""One mini-batch as tensors comes in; its loss and what there is to say about it go out.

The loop and the replay of a batch that gave NaN call the same function.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from training.augmentation import augment
from training.batches import RankingBatch
from training.context import ContextBatch, drop_colours
from training.losses import constrained_loss, cosine_distances, effective_rank, hardest, ranking_loss
from training.networks import Network
from training.recipes import Recipe


@dataclass(frozen=True)
class StepInput:
    """A mini-batch on the device; the fields of a loss that takes no part are empty tensors."""

    pixels: Tensor  # (N, 96, 96, 3) uint8 to rank
    pairs: Tensor  # (P, 2)
    weights: Tensor  # (P,)
    negatives: Tensor  # (P, 1)
    allowed: Tensor  # (N, N)
    triples: Tensor  # (T, 3)
    patches: Tensor  # (M, 96, 96, 3) uint8 for context prediction
    context_pairs: Tensor  # (R, 2)
    positions: Tensor  # (R,)

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields by name."""
        return dict(vars(self))


def to_input(
    ranking: RankingBatch | None, pixels: Tensor | None, context: ContextBatch | None, device: torch.device
) -> StepInput:
    """Put a mini-batch on the device; `pixels` are those of `ranking.rows`."""
    nothing = torch.empty(0, device=device)
    images = torch.empty((0, 96, 96, 3), dtype=torch.uint8, device=device)

    def moved(array: object) -> Tensor:
        return torch.as_tensor(array).to(device, non_blocking=True)

    return StepInput(
        images if pixels is None else pixels,
        *(
            (nothing,) * 5
            if ranking is None
            else map(moved, (ranking.pairs, ranking.weights, ranking.negatives, ranking.allowed, ranking.triples))
        ),
        *(
            (images, nothing, nothing)
            if context is None
            else map(moved, (context.patches, context.pairs, context.positions))
        ),
    )


def compute_loss(
    model: nn.Module, network: Network, recipe: Recipe, inputs: StepInput, seed: int, step: int, measure: bool
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Run the network once over everything in the batch and add up the recipe's losses.

    Args:
        model: `network`, perhaps wrapped for DDP or compiled: what is called.
        network: the bare network.
        recipe: whose losses.
        inputs: the mini-batch; under DDP `pixels` is this rank's share, everything else is the whole batch's.
        seed: of the training, for augmentation and the noise in place of colours.
        step: number of the mini-batch.
        measure: also compute what costs time (the effective rank).

    Returns:
        The loss to differentiate, and measures by name.
    """
    measures: dict[str, Tensor | float] = {}
    images = patches = pairs = None
    if len(inputs.pixels):
        images = augment(network.prepare(inputs.pixels), recipe, seed, step)
    if len(inputs.patches):
        patches = drop_colours(network.prepare(inputs.patches), recipe.noise, seed, step)
        pairs = inputs.context_pairs
    with torch.autocast(inputs.pixels.device.type, torch.bfloat16, enabled=inputs.pixels.is_cuda):
        embeddings, logits = model(images, patches, pairs)
    loss = torch.zeros((), device=inputs.pixels.device)
    if embeddings is not None:
        everyone = _from_all_ranks(embeddings)[: len(inputs.allowed)]
        distances = cosine_distances(everyone)
        negatives = inputs.negatives
        if step >= recipe.hard_after * recipe.iterations:
            negatives = hardest(distances, inputs.pairs[:, 0], inputs.allowed, recipe.hard_negatives)
        nominal = float(recipe.quadruples_per_step * recipe.pairs_per_quadruple)
        ranking, active = ranking_loss(distances, inputs.pairs, negatives, inputs.weights, recipe.margin, nominal)
        # DDP averages gradients over ranks, and every rank holds the gradient of its own images only.
        world = dist.get_world_size() if dist.is_initialized() else 1
        loss = loss + ranking * world
        loudest = inputs.weights[negatives[:, 0] >= 0].sum() / nominal  # the loss, were every hinge 1
        measures |= {"ranking_loss": ranking.detach(), "active": active}
        measures["mean_hinge"] = ranking.detach() / loudest.clamp(min=1e-12)
        measures["without_negative"] = (negatives[:, 0] < 0).float().mean()
        if len(inputs.triples):
            extra = constrained_loss(distances, inputs.triples, recipe.constrained_margin, nominal)
            loss = loss + extra * world
            measures["constrained_loss"] = extra.detach()
        if measure:
            measures["effective_rank"] = effective_rank(everyone)
    if logits is not None:
        where = functional.cross_entropy(logits.float(), inputs.positions)
        loss = loss + where
        measures["context_loss"] = where.detach()
        measures["context_accuracy"] = (logits.argmax(1) == inputs.positions).float().mean()
    return loss, measures


def _from_all_ranks(embeddings: Tensor) -> Tensor:
    """Put the embeddings of all ranks in one (N, E) tensor, with a gradient for this rank's rows only.

    Summed over ranks (DDP), that is the gradient of the whole batch: negatives are shared across ranks.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return embeddings
    parts = [torch.empty_like(embeddings) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, embeddings.detach().contiguous())
    parts[dist.get_rank()] = embeddings
    return torch.cat(parts)
