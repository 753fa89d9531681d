"""Normalised patches come in, the same patches mirrored, shifted or recoloured go out; drawn from (seed, step) only."""

import numpy as np
import torch
from torch import Tensor

from training.recipes import Recipe

_STREAM_AUGMENTATION = 6


def augment(images: Tensor, recipe: Recipe, seed: int, step: int) -> Tensor:
    """Augment (N, 3, H, W) images as the recipe says; the paper's recipes say nothing, and get them back unchanged."""
    if not (recipe.mirror or recipe.crop or recipe.colour):
        return images
    generator = np.random.default_rng((seed, _STREAM_AUGMENTATION, step))
    count, _, height, width = images.shape
    if recipe.mirror:
        flip = torch.from_numpy(generator.random(count) < 0.5).to(images.device)
        images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
    if recipe.crop:
        shift = torch.from_numpy(generator.integers(-recipe.crop, recipe.crop + 1, (count, 2))).to(images.device)
        rows = (torch.arange(height, device=images.device) + shift[:, :1]).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) + shift[:, 1:]).clamp(0, width - 1)
        every = torch.arange(count, device=images.device).view(-1, 1, 1)
        images = images.permute(0, 2, 3, 1)[every, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
    if recipe.colour:
        factor = torch.from_numpy(generator.uniform(1 - recipe.colour, 1 + recipe.colour, (count, 2))).to(images)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - mean) * factor[:, :1].view(-1, 1, 1, 1) + mean * factor[:, 1:].view(-1, 1, 1, 1)
    return images
