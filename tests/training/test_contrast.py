"""Tests of the recipe contrast: its pictures, the folding of its batch norm, and unchanged ids of older models."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from graph.errors import InvalidInput
from tests.training.small import small, train_small
from training.contrast_stream import ContrastPictures
from training.folding import fold_batch_norm
from training.journal import read_log
from training.model_folder import load_network, read_card
from training.networks import Network
from training.recipes import get_recipe

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def jpegs(count: int) -> list[bytes]:
    found = []
    for number in range(count):
        data = io.BytesIO()
        Image.new("RGB", (200, 120), (20 * number, 100, 200)).save(data, "PNG")
        found.append(data.getvalue())
    return found


@pytest.mark.parametrize("limit", [0, 10**9])
def test_pictures_are_the_same_whether_they_are_kept_or_not(limit, threads):
    recipe = replace(get_recipe("contrast", "demo"), contrast_pictures=4, picture_side=32)
    store = ContrastPictures(jpegs(10), recipe, CPU, limit, threads)
    for step in (0, 1, 2, 1):
        batch = store.batch(3, step)
        assert batch.pictures.shape == (4, 32, 32, 3)
        assert (batch.pictures[:, 16, 16, 0] == torch.from_numpy(20 * batch.numbers)).all()
    seen = np.concatenate([store.batch(3, step).numbers for step in range(5)])
    assert np.bincount(seen).tolist() == [2] * 10  # every picture once per pass


def test_a_damaged_picture_is_said(threads):
    store = ContrastPictures([b"no picture"] * 4, replace(small("contrast"), picture_side=32), CPU, 0, threads)
    with pytest.raises(InvalidInput, match="not a readable picture"):
        store.batch(0, 0)


def test_every_convolution_has_batch_norm_and_folding_changes_no_output():
    network = Network(get_recipe("contrast", "demo"))
    assert len(network.norms) == 13
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network.pool5(torch.randn(8, 3, 64, 64))
        network.eval()
        images = torch.randn(4, 3, 96, 96)
        before = network.pool5(images)
        fold_batch_norm(network)
        assert torch.allclose(network.pool5(images), before, rtol=1e-3, atol=1e-3)


def test_a_finished_model_has_plain_convolutions_and_others_start_from_it(tmp_path):
    train_small(tmp_path, "contrast", changes={"iterations": 3})
    network, recipe, card = load_network(tmp_path / "contrast")
    assert recipe.name == "contrast"
    assert not network.norms
    assert card["images_encoded"] == 3 * 2 * recipe.contrast_pictures
    start = {"initial": tmp_path / "contrast", "changes": {"iterations": 2}}
    train_small(tmp_path, "contrast-transitive", **start)
    assert read_card(tmp_path / "contrast-transitive")["initial"] == card["id"]
    log = read_log(tmp_path / "contrast-transitive")
    assert all({"pair_loss", "contrast_loss", "effective_rank"} <= line.keys() for line in log)


def test_views_of_64_pixels_give_pool5_of_the_same_size():
    network = Network(get_recipe("contrast", "demo"))
    assert network.pool5(torch.randn(2, 3, 64, 64)).shape == network.pool5(torch.randn(2, 3, 96, 96)).shape


def test_the_paper_starts_from_context_and_the_other_presets_from_contrast():
    assert get_recipe("transitive").initial == "context"
    assert {get_recipe("multitask", preset).initial for preset in ("h200", "cpu-small", "demo")} == {"contrast"}
    assert get_recipe("transitive", "cpu-small", "context").initial == "context"
    assert get_recipe("scratch", "demo", "contrast").initial == "xavier"
    with pytest.raises(InvalidInput, match="Unknown start"):
        get_recipe("transitive", "demo", "nothing")


def test_recipes_without_contrast_are_named_by_the_numbers_they_had():
    assert not any("view" in name or "contrast" in name for name in get_recipe("transitive").numbers())
    assert get_recipe("contrast").numbers()["view_side"] == 64
