"""The input tensors of one step, and the loss that a recipe computes from them.

The training loop and the replay of a batch whose loss was NaN call the same function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augmentation import augment
from training.batches import RankingBatch
from training.context import ContextBatch, drop_colours
from training.distributed import gather_from_all_ranks, rank_and_world_size
from training.losses import constrained_loss, cosine_distances, effective_rank, hardest, ranking_loss
from training.networks import Network
from training.recipes import Recipe


@dataclass(frozen=True)
class StepInput:
    """A mini-batch on the device; the fields of a loss that the recipe does not use are empty tensors."""

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
    """Put a mini-batch on the device; `pixels` holds the images of `ranking.rows`."""
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
    """Run the network once over all images of the batch and add up the recipe's losses.

    Args:
        model: `network`, perhaps wrapped for DDP or compiled.
        network: the bare network.
        recipe: whose losses.
        inputs: the mini-batch; under DDP `pixels` is this rank's share, all else belongs to the whole batch.
        seed: of the training, for augmentation and for the noise of context prediction.
        step: number of the mini-batch.
        measure: whether to compute measures that cost time (the effective rank) as well.

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
        everyone = gather_from_all_ranks(embeddings)[: len(inputs.allowed)]
        distances = cosine_distances(everyone)
        negatives = inputs.negatives
        if step >= recipe.hard_after * recipe.iterations:
            negatives = hardest(distances, inputs.pairs[:, 0], inputs.allowed, recipe.hard_negatives)
        nominal = float(recipe.quadruples_per_step * recipe.pairs_per_quadruple)
        ranking, active = ranking_loss(distances, inputs.pairs, negatives, inputs.weights, recipe.margin, nominal)
        # DDP averages gradients over ranks, and every rank has the gradient of its own images only.
        world = rank_and_world_size()[1]
        loss = loss + ranking * world
        largest = inputs.weights[negatives[:, 0] >= 0].sum() / nominal  # the loss if every hinge were 1
        measures |= {"ranking_loss": ranking.detach(), "active": active}
        measures["mean_hinge"] = ranking.detach() / largest.clamp(min=1e-12)
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
