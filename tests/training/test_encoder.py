"""Tests of the encoder: vectors from a model's folder, and equal vectors from torchvision and ONNX."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from graph.errors import InvalidInput, NoDevice, NotFound, StorageError
from tests.training.small import SOURCE, small, train_small
from training import loop
from training.encoder import Encoder
from training.export import export_onnx, export_torchvision
from training.initial_weights import VGG16_Weights
from training.recipes import get_recipe


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    train_small(folder, "tracking", changes={"iterations": 2})
    return folder


@pytest.fixture(scope="module")
def images():
    return Encoder.decode(SOURCE.patch_jpegs(SOURCE.table().ids[:7]))


def test_shapes_types_and_length(models, images):
    encoder = Encoder.load(models / "tracking", "cpu")
    pool5, embedding = encoder.pool5(images), encoder.embed(images)
    assert pool5.shape == (7, encoder.model.pool5_dim)
    assert pool5.dtype == np.float16
    assert embedding.shape == (7, encoder.model.embedding_dim)
    assert embedding.dtype == np.float32
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert encoder.pool5(images[:0]).shape == (0, encoder.model.pool5_dim)


def test_an_image_has_the_same_vector_in_every_batch(models, images):
    encoder = Encoder.load(models / "tracking", "cpu")
    many = np.concatenate([images] * 20)  # more than one inner batch
    assert np.allclose(encoder.embed(many)[-7:], encoder.embed(images), atol=1e-5)
    assert np.allclose(encoder.embed(images[3:4])[0], encoder.embed(images)[3], atol=1e-5)


def test_a_context_model_has_no_embedding(models, images):
    encoder = Encoder.load(str(models / "context"), "cpu")
    assert encoder.model.embedding_dim == 0
    with pytest.raises(InvalidInput, match="has no embedding"):
        encoder.embed(images)


def test_wrong_images_and_folders_are_said(models, images, tmp_path):
    with pytest.raises(InvalidInput, match="96x96"):
        Encoder.load(models / "tracking", "cpu").pool5(images[:, :50])
    with pytest.raises(NotFound, match="no finished model"):
        Encoder.load(tmp_path, "cpu")
    with pytest.raises(InvalidInput, match="Picture 1 is not a readable picture"):
        Encoder.decode([b"GIF89a not really"])
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((models / "tracking" / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((models / "tracking/model.safetensors").read_bytes()[:5000])
    with pytest.raises(StorageError, match="truncated"):
        Encoder.load(tmp_path, "cpu")


def test_the_paper_s_network_is_4608_wide_and_loads_into_torchvision(tmp_path, images):
    recipe = replace(get_recipe("scratch"), hidden=16)  # the full trunk with a smaller head, to keep the test fast
    model = loop.train(recipe, SOURCE, tmp_path / "m", device="cpu")
    assert (model.pool5_dim, model.embedding_dim) == (4608, 1024)
    export_torchvision(tmp_path / "m", tmp_path / "vgg16.safetensors")
    from safetensors.torch import load_file

    theirs = torchvision.models.vgg16(weights=None)
    missing, unexpected = theirs.load_state_dict(load_file(tmp_path / "vgg16.safetensors"), strict=False)
    assert unexpected == []
    assert all(name.startswith("classifier.") for name in missing)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pictures = normalise(torch.from_numpy(images[:2]).permute(0, 3, 1, 2) / 255)
    with torch.inference_mode():
        expected = theirs.eval().features(pictures).flatten(1).numpy()
    assert np.allclose(Encoder.load(tmp_path / "m", "cpu").pool5(images[:2]), expected, rtol=2e-3, atol=1e-3)


def test_onnx_gives_the_same(models, images, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter gives deprecation warnings
        assert export_onnx(models / "tracking", tmp_path / "m.onnx") == ["pool5", "embedding"]
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    encoder = Encoder.load(models / "tracking", "cpu")
    for batch in (images, images[:1]):
        pool5, embedding = session.run(None, {"pixels": batch})
        assert np.allclose(embedding, encoder.embed(batch), atol=1e-4)
        assert np.allclose(pool5, encoder.pool5(batch), rtol=2e-3, atol=1e-3)


def test_imagenet_starts_from_a_file_and_says_when_offline(tmp_path, monkeypatch):
    state = torchvision.models.vgg16(weights=None).state_dict()
    trunk = {name: value for name, value in state.items() if name.startswith("features.")}
    torch.save(trunk, tmp_path / "vgg16.pth")
    model = loop.train(
        get_recipe("imagenet", "demo"), SOURCE, tmp_path / "m", device="cpu", initial=tmp_path / "vgg16.pth"
    )
    assert (model.pool5_dim, model.embedding_dim) == (4608, 0)
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        loop.train(get_recipe("imagenet"), SOURCE, tmp_path / "n", device="cpu", initial=tmp_path / "other.pth")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(VGG16_Weights, "get_state_dict", offline)
    with pytest.raises(NoDevice, match="without network give the file"):
        loop.train(get_recipe("imagenet"), SOURCE, tmp_path / "n", device="cpu")


def test_scratch_is_random_and_the_same_for_a_seed(tmp_path, images):
    vectors = []
    for place, seed in enumerate((1, 1, 2)):
        loop.train(small("scratch", iterations=0), SOURCE, tmp_path / str(place), seed=seed, device="cpu")
        vectors.append(Encoder.load(tmp_path / str(place), "cpu").pool5(images))
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])
