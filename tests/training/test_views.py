"""Tests of augmented views: one pixel computed by hand, and the properties of each kind of change."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from training.networks import Network
from training.random_streams import RandomStream, generator
from training.recipes import get_recipe
from training.views import cut_views, draw_views

RECIPE = get_recipe("contrast", "demo")
ZERO, ONE = torch.zeros(3), torch.ones(3)
PLAIN = np.array([[0], [0], [1], [1], [0], [1], [1], [1], [0]], np.float32)  # the whole picture, unchanged


def picture(seed=0, size=24):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (1, size, size, 3), dtype=np.uint8))


def changed(**values):
    names = ("x", "y", "width", "height", "mirrored", "brightness", "contrast", "saturation", "hue")
    numbers = PLAIN.copy()
    for name, value in values.items():
        numbers[names.index(name)] = value
    return numbers


def naive_pixel(pixels, row, column, side, x, y, width, height):
    """Return one pixel (3,) of a view: the mean of the picture weighted with triangles over rows and columns."""
    size = len(pixels)
    scale_y, scale_x = height * size / side, width * size / side
    middle_y, middle_x = y * size + (row + 0.5) * scale_y, x * size + (column + 0.5) * scale_x
    total, weights = np.zeros(3), 0.0
    for i in range(size):
        for j in range(size):
            down = max(0.0, 1 - abs(i + 0.5 - middle_y) / max(scale_y, 1))
            across = max(0.0, 1 - abs(j + 0.5 - middle_x) / max(scale_x, 1))
            total += down * across * pixels[i, j]
            weights += down * across
    return total / weights


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.3, 0.1, 0.5, 0.7), (0.55, 0.6, 0.2, 0.3)])
def test_equals_the_naive_loop(box):
    pixels = picture()
    x, y, width, height = box
    view = cut_views(pixels, changed(x=x, y=y, width=width, height=height), 8, ZERO, ONE)
    for row, column in [(0, 0), (3, 5), (7, 7), (6, 1)]:
        wanted = naive_pixel(pixels[0].numpy().astype(float), row, column, 8, *box)
        assert view[0, :, row, column].numpy() == pytest.approx(wanted, abs=1e-3)


def test_the_whole_picture_at_its_own_size_is_the_picture():
    pixels = picture()
    assert torch.allclose(cut_views(pixels, PLAIN, 24, ZERO, ONE), pixels.permute(0, 3, 1, 2).float(), atol=1e-3)


def test_a_mirrored_view_is_the_view_from_right_to_left():
    pixels = picture()
    box = {"x": 0.2, "y": 0.3, "width": 0.6, "height": 0.4}
    plain, mirrored = (cut_views(pixels, changed(**box, mirrored=m), 8, ZERO, ONE) for m in (0, 1))
    assert torch.allclose(mirrored, plain.flip(3), atol=1e-3)


def test_normalisation_is_the_networks():
    network = Network(replace(RECIPE, width=0.02))
    pixels = picture(size=96)
    assert torch.allclose(cut_views(pixels, PLAIN, 96, network.mean, network.std), network.prepare(pixels), atol=1e-4)


def test_without_saturation_the_colours_are_equal_and_the_brightness_stays():
    pixels = picture()
    grey = cut_views(pixels, changed(saturation=0), 8, ZERO, ONE)
    plain = cut_views(pixels, PLAIN, 8, ZERO, ONE)
    luminance = (plain * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    assert torch.allclose(grey, luminance.expand_as(grey), atol=0.2)


def test_a_whole_turn_of_the_hue_changes_nothing_and_half_a_turn_keeps_the_brightness():
    pixels = picture()
    plain = cut_views(pixels, PLAIN, 8, ZERO, ONE)
    assert torch.allclose(cut_views(pixels, changed(hue=2 * math.pi), 8, ZERO, ONE), plain, atol=0.01)
    half = cut_views(pixels, changed(hue=math.pi), 8, ZERO, ONE)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert (half - plain).abs().max() > 10
    assert torch.allclose((half * weights).sum(1), (plain * weights).sum(1), atol=0.2)


def test_contrast_keeps_the_mean_brightness_and_brightness_scales_it():
    pixels = picture()
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)

    def mean(**values):
        return float((cut_views(pixels, changed(**values), 8, ZERO, ONE) * weights).sum(1).mean())

    assert mean(contrast=0.5) == pytest.approx(mean(), rel=1e-4)
    assert mean(brightness=1.3, contrast=0.7) == pytest.approx(1.3 * mean(), rel=1e-4)


def test_several_views_of_several_pictures_come_view_by_view():
    pixels = torch.cat([picture(0), picture(1)])
    numbers = draw_views(6, RECIPE, generator(3, RandomStream.VIEWS, 0))
    together = cut_views(pixels, numbers, 8, ZERO, ONE)
    for row in range(6):
        alone = cut_views(pixels[row % 2 : row % 2 + 1], numbers[:, row : row + 1], 8, ZERO, ONE)
        assert torch.allclose(together[row : row + 1], alone, atol=1e-3)


def test_draws_stay_in_the_picture_and_follow_the_recipe():
    numbers = draw_views(4000, RECIPE, generator(0, RandomStream.VIEWS, 0))
    x, y, width, height, mirrored, *_, saturation, hue = numbers
    assert min(x.min(), y.min()) >= 0
    assert max((x + width).max(), (y + height).max()) <= 1 + 1e-6
    area = width * height
    assert RECIPE.view_area * 0.85 < area.min() < 0.2
    assert 0.9 < area.max() <= 1
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    assert (saturation == 0).mean() == pytest.approx(RECIPE.view_grey, abs=0.03)
    assert (hue == 0).mean() == pytest.approx(1 - RECIPE.view_recoloured, abs=0.03)
    assert np.array_equal(numbers, draw_views(4000, RECIPE, generator(0, RandomStream.VIEWS, 0)))
