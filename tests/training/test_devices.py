"""Tests of the process's settings during training, and of weights exchanged with torchvision."""

from dataclasses import replace

import pytest
import torch
import torchvision
from safetensors.torch import load_file

from tests.training.small import SOURCE, small
from training.devices import deterministic
from training.export import export_torchvision
from training.loop import train


def test_what_the_process_had_set_comes_back() -> None:
    def fail() -> None:
        with deterministic(torch.device("cpu"), same_shapes=True):
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.backends.cudnn.benchmark
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert torch.utils.deterministic.fill_uninitialized_memory
    with deterministic(torch.device("cuda"), same_shapes=False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_resnet50_trains_and_moves_to_torchvision(tmp_path):
    changes = {"trunk": "resnet50", "iterations": 1, "batch_pairs": 5, "context_frames": 1}
    train(small("context", **changes), SOURCE, tmp_path / "context", device="cpu")
    model = train(small("transitive", **changes), SOURCE, tmp_path / "m", device="cpu", initial=tmp_path / "context")
    assert (model.pool5_dim, model.embedding_dim) == (2048, 8)
    export_torchvision(tmp_path / "m", tmp_path / "resnet50.safetensors")
    theirs = torchvision.models.resnet50(weights=None)
    missing, unexpected = theirs.load_state_dict(load_file(tmp_path / "resnet50.safetensors"), strict=False)
    assert (sorted(missing), unexpected) == (["fc.bias", "fc.weight"], [])


def test_weights_of_torchvision_come_in_as_well(tmp_path):
    """Weights in torchvision's layout are unchanged after import and export."""
    recipe = replace(small("imagenet"), trunk="vgg16", width=1.0, iterations=0)
    state = torchvision.models.vgg16(weights=None).features.state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, tmp_path / "vgg16.pth")
    train(recipe, SOURCE, tmp_path / "m", device="cpu", initial=tmp_path / "vgg16.pth")
    export_torchvision(tmp_path / "m", tmp_path / "again.pth")
    again = torch.load(tmp_path / "again.pth", weights_only=True)
    assert all(torch.equal(again[f"features.{name}"], value) for name, value in state.items())
