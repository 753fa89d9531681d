"""The input tensors of one step, and the loss that a recipe computes from them.

The training loop and the replay of a batch whose loss was NaN call the same function.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augmentation import augment
from training.batches import RankingBatch
from training.context import ContextBatch, drop_colours
from training.contrast_loss import contrast_loss, info_nce
from training.contrast_stream import ContrastBatch
from training.distributed import gather_from_all_ranks, rank_and_world_size
from training.losses import constrained_loss, cosine_distances, effective_rank, hardest, ranking_loss
from training.networks import Network
from training.random_streams import RandomStream, generator
from training.recipe import Recipe
from training.views import cut_views, draw_views


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
    pictures: Tensor  # (P / ranks, S, S, 3) uint8 to contrast
    picture_numbers: Tensor  # (P,)

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields by name."""
        return dict(vars(self))


def to_input(
    ranking: RankingBatch | None,
    pixels: Tensor | None,
    context: ContextBatch | None,
    contrast: ContrastBatch | None,
    device: torch.device,
) -> StepInput:
    """Put a mini-batch on the device; `pixels` holds the images of `ranking.rows`."""
    nothing = torch.empty(0, device=device)
    images = torch.empty((0, 96, 96, 3), dtype=torch.uint8, device=device)

    def moved(array: object) -> Tensor:
        return torch.as_tensor(array).to(device, non_blocking=True)

    found = StepInput(images, *(nothing,) * 5, *(images, nothing, nothing), *(images, nothing))
    if ranking is not None and pixels is not None:
        found = replace(
            found,
            pixels=pixels,
            pairs=moved(ranking.pairs),
            weights=moved(ranking.weights),
            negatives=moved(ranking.negatives),
            allowed=moved(ranking.allowed),
            triples=moved(ranking.triples),
        )
    if context is not None:
        patches, pairs, positions = moved(context.patches), moved(context.pairs), moved(context.positions)
        found = replace(found, patches=patches, context_pairs=pairs, positions=positions)
    if contrast is not None:
        found = replace(found, pictures=contrast.pictures, picture_numbers=moved(contrast.numbers))
    return found


def compute_loss(
    model: nn.Module, network: Network, recipe: Recipe, inputs: StepInput, seed: int, step: int, measure: bool
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Run the network once on all images of the batch and add the recipe's losses.

    Args:
        model: `network`, perhaps wrapped for DDP or compiled.
        network: the bare network.
        recipe: recipe whose losses are computed.
        inputs: the mini-batch; under DDP, `pixels` is this rank's share, and the other fields belong to the whole
            batch.
        seed: of the training, for augmentation and for the noise of context prediction.
        step: number of the mini-batch.
        measure: whether to compute measures that cost time (the effective rank) as well.

    Returns:
        The loss to differentiate, and measures by name.
    """
    measures: dict[str, Tensor | float] = {}
    device = inputs.pixels.device
    to_rank = images_to_rank(network, recipe, inputs, seed, step)
    views = views_to_contrast(network, recipe, inputs, seed, step)
    encoded = [some for some in (to_rank, views) if some is not None]
    patches = pairs = None
    if len(inputs.patches):
        patches = drop_colours(network.prepare(inputs.patches), recipe.noise, seed, step)
        pairs = inputs.context_pairs
    with torch.autocast(device.type, torch.bfloat16, enabled=inputs.pixels.is_cuda):
        embeddings, logits = model(torch.cat(encoded) if encoded else None, patches, pairs)
    loss = torch.zeros((), device=device)
    # DDP averages gradients over ranks, but each rank has the gradient of its own images only.
    world = rank_and_world_size()[1]
    if embeddings is not None:
        ranked = 0 if to_rank is None else len(to_rank)
        if to_rank is not None:
            everyone = gather_from_all_ranks(embeddings[:ranked])[: len(inputs.allowed)]
            of_pairs = _info_nce if recipe.pair_loss == "info_nce" else _ranking
            graph, found = of_pairs(everyone, recipe, inputs, step)
            loss = loss + graph * world
            measures |= found
        if views is not None:
            everyone = gather_from_all_ranks(embeddings[ranked:])
            contrast = contrast_loss(everyone, inputs.picture_numbers, world, recipe.temperature)
            loss = loss + recipe.contrast_weight * contrast * world
            measures["contrast_loss"] = contrast.detach()
        if measure:
            measures["effective_rank"] = effective_rank(everyone)
    if logits is not None:
        where = functional.cross_entropy(logits.float(), inputs.positions)
        loss = loss + where
        measures["context_loss"] = where.detach()
        measures["context_accuracy"] = (logits.argmax(1) == inputs.positions).float().mean()
    return loss, measures


def images_to_rank(network: Network, recipe: Recipe, inputs: StepInput, seed: int, step: int) -> Tensor | None:
    """Return this rank's normalised images of the graph, unchanged for the paper's loss and as views for InfoNCE."""
    count = len(inputs.pixels)
    if not count:
        return None
    if recipe.pair_loss == "ranking":
        return augment(network.prepare(inputs.pixels), recipe, seed, step)
    rank, world = rank_and_world_size()
    numbers = draw_views(count * world, recipe, generator(seed, RandomStream.VIEWS, step, 0))
    own = numbers[:, rank * count : (rank + 1) * count]
    return cut_views(inputs.pixels, own, recipe.view_side, network.mean, network.std)


def views_to_contrast(network: Network, recipe: Recipe, inputs: StepInput, seed: int, step: int) -> Tensor | None:
    """Return two normalised views of each of this rank's pictures: all first views, then all second ones."""
    count = len(inputs.pictures)
    if not count:
        return None
    rank, world = rank_and_world_size()
    numbers = draw_views(2 * count * world, recipe, generator(seed, RandomStream.VIEWS, step, 1))
    own = numbers.reshape(len(numbers), 2, world, count)[:, :, rank].reshape(len(numbers), 2 * count)
    return cut_views(inputs.pictures, own, recipe.view_side, network.mean, network.std)


def _ranking(
    embeddings: Tensor, recipe: Recipe, inputs: StepInput, step: int
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Compute the ranking loss of section 5 of (N, E) embeddings of all ranks."""
    measures: dict[str, Tensor | float] = {}
    distances = cosine_distances(embeddings)
    negatives = inputs.negatives
    if step >= recipe.hard_after * recipe.iterations:
        negatives = hardest(distances, inputs.pairs[:, 0], inputs.allowed, recipe.hard_negatives)
    nominal = float(recipe.quadruples_per_step * recipe.pairs_per_quadruple + recipe.added_tracks)
    loss, active = ranking_loss(distances, inputs.pairs, negatives, inputs.weights, recipe.margin, nominal)
    largest = inputs.weights[negatives[:, 0] >= 0].sum() / nominal  # the loss if every hinge were 1
    measures |= {"ranking_loss": loss.detach(), "active": active}
    measures["mean_hinge"] = loss.detach() / largest.clamp(min=1e-12)
    measures["without_negative"] = (negatives[:, 0] < 0).float().mean()
    if len(inputs.triples):
        extra = constrained_loss(distances, inputs.triples, recipe.constrained_margin, nominal)
        loss = loss + extra
        measures["constrained_loss"] = extra.detach()
    return loss, measures


def _info_nce(
    embeddings: Tensor, recipe: Recipe, inputs: StepInput, step: int
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Compute InfoNCE over the graph's pairs of (N, E) embeddings of all ranks."""
    loss = info_nce(embeddings, inputs.pairs, inputs.weights, inputs.allowed, recipe.temperature)
    without = ~inputs.allowed.any(1)[inputs.pairs[:, 0]]
    return loss, {"pair_loss": loss.detach(), "without_negative": without.float().mean()}
