"""Tests of receptive fields: geometry against the gradient of a real network, and the measured field."""

import numpy as np
import pytest
import torch
from torch import nn

from training.evaluation.receptive_field import measured_field, receptive_field
from training.networks import vgg16_features

CONV3_3, CONV5_3 = 15, 29  # the ReLUs of VGG16's chain


def gradient_box(features: nn.Sequential, last: int, side: int, row: int, column: int) -> tuple[int, int, int, int]:
    """Return the bounding box of the pixels with a gradient, over several pictures."""
    seen = torch.zeros(side, side, dtype=torch.bool)
    for seed in range(6):
        image = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(seed), requires_grad=True)
        output = features[: last + 1](image)[0, :, row, column].sum()
        seen |= torch.autograd.grad(output, image)[0][0].abs().sum(0) > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize(("last", "size", "side"), [(CONV3_3, 40, 96), (CONV5_3, 196, 96), (CONV5_3, 196, 288)])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.9])
def test_the_geometry_is_the_gradients_of_vgg16(last: int, size: int, side: int, at: float) -> None:
    torch.manual_seed(0)
    features = vgg16_features(0.02)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.weight, 0.0, 0.1)  # positive weights, so that no ReLU blocks a gradient
    field = receptive_field(features, last)
    assert field.size == size
    place = int(at * side / field.stride)
    expected = field.box(place, place, side, side)
    found = gradient_box(features, last, side, place, place)
    # Max pooling passes a gradient to one pixel of four, so the outermost one may be missed.
    assert all(0 <= (f - e) * sign <= 2 for f, e, sign in zip(found, expected, (1, 1, -1, -1), strict=True))


def test_the_measured_field_is_where_a_response_comes_from() -> None:
    image = torch.zeros((1, 3, 96, 96))

    def respond(images: torch.Tensor) -> torch.Tensor:
        return images[:, :, 30:42, 60:72].square().sum((1, 2, 3))  # exactly one position of the measuring square

    field = measured_field(respond, image, seed=0)
    assert field.shape == (96, 96)
    assert field.max() == 1.0
    strong = field >= 0.5
    assert strong[32:40, 62:70].all()
    assert strong[30 - 6 : 42 + 6, 60 - 6 : 72 + 6].sum() == strong.sum()
    assert field[:18].max() == 0.0
    assert field[:, :48].max() == 0.0


def test_a_response_that_nothing_changes_has_no_field() -> None:
    field = measured_field(lambda images: torch.zeros(len(images)), torch.zeros((1, 3, 96, 96)), seed=0)
    assert not field.any()
