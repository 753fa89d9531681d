"""Tests of augmentation: each kind agrees with a naive loop, and random draws depend only on seed and step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.small import small, train_small
from training.augmentation import augment
from training.journal import read_log

PLAIN = small("transitive")


@pytest.fixture
def images():
    return torch.randn(40, 3, 16, 12, generator=torch.Generator().manual_seed(0))


def test_the_paper_s_recipes_change_nothing(images):
    assert augment(images, PLAIN, 1, 2) is images


def test_mirroring_flips_about_half(images):
    out = augment(images, replace(PLAIN, mirror=True), 1, 2)
    flipped = [torch.equal(new, old.flip(2)) for new, old in zip(out, images, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(out, images, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 10 < sum(flipped) < 30


def test_a_shift_repeats_the_border(images):
    out = augment(images, replace(PLAIN, crop=3), 1, 2)
    found = []
    for new, old in zip(out.numpy(), images.numpy(), strict=True):
        shifts = [
            (down, right)
            for down in range(-3, 4)
            for right in range(-3, 4)
            if np.array_equal(new, np.take(np.take(old, shifted(16, down), 1), shifted(12, right), 2))
        ]
        assert len(shifts) == 1
        found += shifts
    assert {down for down, _ in found} == {right for _, right in found} == set(range(-3, 4))


def shifted(size, by):
    return [min(max(place + by, 0), size - 1) for place in range(size)]


def test_colour_scales_contrast_and_brightness_of_each_image(images):
    images = images + 5
    out = augment(images, replace(PLAIN, colour=0.3), 1, 2)
    contrast = out.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    brightness = out.mean(dim=(1, 2, 3)) / images.mean(dim=(1, 2, 3))
    for factor in (contrast, brightness):
        assert 0.7 <= factor.min() < 0.8
        assert 1.2 < factor.max() <= 1.3
    correlation = torch.corrcoef(torch.stack([out[0].flatten(), images[0].flatten()]))[0, 1]
    assert float(correlation) == pytest.approx(1.0, abs=1e-5)


def test_the_draw_depends_on_seed_and_step(images):
    recipe = replace(PLAIN, mirror=True, crop=3, colour=0.3)
    same = augment(images, recipe, 1, 2)
    assert torch.equal(same, augment(images, recipe, 1, 2))
    assert not torch.equal(same, augment(images, recipe, 1, 3))
    assert not torch.equal(same, augment(images, recipe, 2, 2))


def test_a_training_with_augmentation_repeats_and_differs_from_one_without(tmp_path):
    changes = {"iterations": 3, "mirror": True, "crop": 8, "colour": 0.3}
    train_small(tmp_path, "context", seed=0, changes={"iterations": 2})
    losses = []
    for name, changed in (("one", changes), ("other", changes), ("without", {"iterations": 3})):
        train_small(tmp_path / name, "transitive", changes=changed, initial=tmp_path / "context")
        losses.append([line["loss"] for line in read_log(tmp_path / name / "transitive")])
    assert losses[0] == losses[1] != losses[2]
