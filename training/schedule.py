"""The optimiser of a recipe and its learning rate at every step."""

import math

import torch

from training.networks import Network
from training.recipe import Recipe


def make_optimiser(recipe: Recipe, network: Network) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all weights."""
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    return torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of `step`: a linear warm-up, then constant or a half cosine down to zero."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.decay == "constant":
        return recipe.learning_rate
    done = (step - recipe.warmup) / max(1, recipe.iterations - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
