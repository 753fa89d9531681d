"""Random mirroring, shifting and recolouring of normalised patches, drawn from (seed, step) alone."""

import torch
from torch import Tensor

from training.random_streams import RandomStream, generator
from training.recipe import Recipe


def augment(images: Tensor, recipe: Recipe, seed: int, step: int) -> Tensor:
    """Augment (N, 3, H, W) images as the recipe says; the paper names no augmentation, so its recipes change nothing.

    Mirroring flips half of the images. A shift of up to `crop` pixels repeats the pixels of the border. `colour`
    multiplies contrast and brightness of each image by random factors.
    """
    if not (recipe.mirror or recipe.crop or recipe.colour):
        return images
    draws = generator(seed, RandomStream.AUGMENTATION, step)
    count, _, height, width = images.shape
    if recipe.mirror:
        flip = torch.from_numpy(draws.random(count) < 0.5).to(images.device)
        images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
    if recipe.crop:
        shift = torch.from_numpy(draws.integers(-recipe.crop, recipe.crop + 1, (count, 2))).to(images.device)
        rows = (torch.arange(height, device=images.device) + shift[:, :1]).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) + shift[:, 1:]).clamp(0, width - 1)
        every = torch.arange(count, device=images.device).view(-1, 1, 1)
        images = images.permute(0, 2, 3, 1)[every, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
    if recipe.colour:
        factor = torch.from_numpy(draws.uniform(1 - recipe.colour, 1 + recipe.colour, (count, 2))).to(images)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - mean) * factor[:, :1].view(-1, 1, 1, 1) + mean * factor[:, 1:].view(-1, 1, 1, 1)
    return images
