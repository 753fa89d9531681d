"""Tests of context prediction: positions and content of patches, stream of batches, folding of batch norm."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from graph.errors import StorageError
from training.context import NEIGHBOURS, context_batch, cut_grid, drop_colours, frame_order
from training.context_stream import context_batches
from training.folding import fold_batch_norm, rescale_layers
from training.networks import Network
from training.recipes import get_recipe

RECIPE = replace(get_recipe("context", "demo"), shrunk_share=0.0)


def coordinates_image(width=480, height=360):
    """Return a frame whose red encodes the column and green the row, so a patch's mean colour gives its position."""
    x, y = np.meshgrid(np.arange(width) / width * 255, np.arange(height) / height * 255)
    return Image.fromarray(np.stack([x, y, 0 * x], axis=2).astype(np.uint8))


def centres(patches, width=480, height=360):
    mean = patches.reshape(len(patches), -1, 3).mean(1)
    return mean[:, 0] / 255 * width, mean[:, 1] / 255 * height


def test_the_position_is_where_the_second_patch_lies():
    for seed in range(5):
        patches, pairs, positions = cut_grid(coordinates_image(), RECIPE, np.random.default_rng(seed))
        x, y = centres(patches)
        for (first, second), position in zip(pairs, positions, strict=True):
            down, right = NEIGHBOURS[position]
            assert np.sign(round((x[second] - x[first]) / 60)) == right
            assert np.sign(round((y[second] - y[first]) / 60)) == down


def test_both_directions_and_all_eight_neighbours():
    patches, pairs, positions = cut_grid(coordinates_image(), RECIPE, np.random.default_rng(0))
    found = {(int(a), int(b)): int(p) for (a, b), p in zip(pairs, positions, strict=True)}
    for (a, b), position in found.items():
        assert found.get((b, a), 7 - position) == 7 - position  # the opposite neighbour
    assert np.bincount(positions, minlength=8).tolist() == [len(positions) // 8] * 8  # chance is 1/8
    assert pairs.max() < len(patches)


@pytest.mark.parametrize("pixels", [150_000, 450_000])
def test_patches_of_96_lie_144_apart_give_or_take_the_jitter(pixels):
    recipe = replace(RECIPE, least_pixels=pixels, most_pixels=pixels)
    scale = (pixels / (480 * 360)) ** 0.5
    apart = []
    for seed in range(4):
        patches, pairs, positions = cut_grid(coordinates_image(), recipe, np.random.default_rng(seed))
        x, _ = centres(patches)
        apart += [scale * abs(x[b] - x[a]) for (a, b), p in zip(pairs, positions, strict=True) if NEIGHBOURS[p][0] == 0]
    assert min(apart) >= 144 - 16
    assert max(apart) <= 144 + 16
    assert max(apart) - min(apart) > 1  # jitter


def test_a_third_is_shrunk():
    generator = np.random.default_rng(0)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8))
    recipe = replace(RECIPE, shrunk_share=1 / 3)
    detail = []
    for _ in range(30):
        patches = cut_grid(noise, recipe, generator)[0].astype(float)
        detail += list(np.abs(np.diff(patches, axis=2)).mean(axis=(1, 2, 3)))
    share = np.mean(np.array(detail) < 0.6 * np.median(detail))
    assert 0.2 < share < 0.45


def test_one_colour_is_kept_and_the_others_are_noise_of_a_hundredth():
    torch.manual_seed(0)
    images = torch.randn(12, 3, 96, 96) * 5 + 3
    out = drop_colours(images, 0.01, seed=1, step=2)
    deviation = out.std(dim=(2, 3))
    kept = deviation.argmax(1)
    assert set(kept.tolist()) == {0, 1, 2}
    for row, colour in enumerate(kept.tolist()):
        assert torch.equal(out[row, colour], images[row, colour])
        for other in {0, 1, 2} - {colour}:
            assert float(deviation[row, other] / deviation[row, colour]) == pytest.approx(0.01, rel=0.1)


@pytest.fixture(scope="module")
def frames():
    made = []
    for hue in range(5):
        data = io.BytesIO()
        Image.fromarray(np.random.default_rng(hue).integers(0, 255, (240, 320, 3), dtype=np.uint8)).save(data, "JPEG")
        made.append(data.getvalue())
    return made


def test_a_batch_depends_on_seed_and_step_only(frames):
    recipe = replace(RECIPE, context_frames=3)
    one, again, other = (context_batch(frames, recipe, 4, step) for step in (7, 7, 8))
    assert np.array_equal(one.patches, again.patches)
    assert not np.array_equal(one.patches[:4], other.patches[:4])
    whole = context_batch(frames, replace(recipe, context_frames=4), 4, 3)
    parts = [context_batch(frames, replace(recipe, context_frames=4), 4, 3, rank, 2) for rank in range(2)]
    assert np.array_equal(whole.patches, np.concatenate([part.patches for part in parts]))


def test_batches_cut_ahead_in_processes_are_those_cut_here(frames):
    recipe = replace(RECIPE, context_frames=2, iterations=9)
    for device in ("cpu", "cuda"):  # once in threads, once in processes (which work without a GPU)
        ahead = list(context_batches(frames, recipe, 4, 6, torch.device(device)))
        assert len(ahead) == 3
        for step, batch in enumerate(ahead, start=6):
            here = context_batch(frames, recipe, 4, step)
            assert np.array_equal(batch.patches, here.patches)
            assert np.array_equal(batch.pairs, here.pairs)
            assert np.array_equal(batch.positions, here.positions)


def test_a_broken_frame_is_one_clear_error_from_a_process_too():
    recipe = replace(RECIPE, context_frames=2, iterations=9)
    for device in ("cpu", "cuda"):
        with pytest.raises(StorageError, match=r"^A frame or picture of 5 bytes cannot be read"):
            next(context_batches([b"bytes"] * 4, recipe, 4, 0, torch.device(device)))


def test_every_frame_is_seen_once_a_pass():
    order = np.concatenate([frame_order(7, 1, first, 3) for first in range(0, 21, 3)])
    for epoch in range(3):
        assert sorted(order[epoch * 7 : epoch * 7 + 7]) == list(range(7))
    assert not np.array_equal(order[:7], order[7:14])


@pytest.fixture
def trained_context():
    torch.manual_seed(0)
    network = Network(replace(RECIPE, width=0.06))
    for _ in range(10):  # some statistics to fold
        network.train().pool5(torch.randn(16, 3, 96, 96))
    return network.eval()


@torch.no_grad()
def test_folding_changes_no_output(trained_context):
    images = torch.randn(4, 3, 96, 96)
    before = trained_context.pool5(images)
    fold_batch_norm(trained_context)
    assert not trained_context.norms
    assert torch.allclose(trained_context.pool5(images), before, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_rescaling_balances_layers_and_keeps_every_cosine(trained_context):
    fold_batch_norm(trained_context)
    images = torch.randn(8, 3, 96, 96)
    before = torch.nn.functional.normalize(trained_context.pool5(images), dim=1)
    rescale_layers(trained_context, images)
    after = torch.nn.functional.normalize(trained_context.pool5(images), dim=1)
    assert torch.allclose(before @ before.T, after @ after.T, atol=1e-4)
    level = images
    for layer in trained_context.features:
        level = layer(level.clone())
        if isinstance(layer, torch.nn.Conv2d):
            assert float(level.square().mean().sqrt()) == pytest.approx(1.0, abs=1e-3)


def test_batch_norm_sits_on_conv3_to_conv5_without_scale_and_shift():
    network = Network(get_recipe("context", "demo"))
    assert sorted(map(int, network.norms)) == [10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert not any(norm.affine for norm in network.norms.values())
    assert not any(norm.affine for norm in (network.context.norm6, network.context.norm7, network.context.norm8))
    assert not Network(get_recipe("transitive", "demo")).norms
