"""Tests of ONNX encoders: their vectors against the functions in their files, and one-line errors for bad files."""

import json
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graph.errors import InvalidInput, NotFound, StorageError
from tests.training.onnx_files import averaging
from tests.training.small import train_small
from training.encoder import Encoder
from training.encoders import open_encoder
from training.export import export_onnx
from training.onnx_encoder import FILE, GivenNumbers, OnnxEncoder, take_onnx

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
NOW = "2026-01-01T00:00:00+00:00"
HALF = GivenNumbers(mean=(0.5, 0.4, 0.3), deviation=(0.2, 0.5, 1.0))


def encoder(tmp_path, file, given=HALF):
    return OnnxEncoder(tmp_path / "models" / take_onnx(tmp_path / "models", file, given, NOW).id, "cpu")


def truth(mean, deviation, scale=255):
    return (PICTURES.mean(axis=(1, 2)) / scale - mean) / deviation


def test_a_model_of_ours_gives_the_vectors_of_its_network(tmp_path):
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own libraries
        export_onnx(tmp_path / "tracking", tmp_path / "ours.onnx")
    ours = Encoder.load(tmp_path / "tracking", "cpu")
    taken = encoder(tmp_path, tmp_path / "ours.onnx", GivenNumbers())
    assert (taken.model.pool5_dim, taken.model.embedding_dim) == (ours.model.pool5_dim, ours.model.embedding_dim)
    np.testing.assert_allclose(taken.pool5(PICTURES), ours.pool5(PICTURES), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(taken.embed(PICTURES), ours.embed(PICTURES), atol=1e-5)


def test_pictures_are_normalised_by_the_given_numbers_and_one_vector_serves_as_both(tmp_path):
    taken = encoder(tmp_path, averaging(tmp_path / "a.onnx"))
    expected = truth(HALF.mean, HALF.deviation)
    np.testing.assert_allclose(taken.pool5(PICTURES), expected, rtol=2e-3)
    np.testing.assert_allclose(
        taken.embed(PICTURES), expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-4
    )
    assert taken.pool5(PICTURES[:0]).shape == (0, 3)
    assert taken.embed(PICTURES).dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "metadata", "axes"),
    [
        (("n", 3, 48, 48), {}, (2, 3)),
        (("n", 3, "h", "w"), {"input_size": "(3, 48, 48)"}, (2, 3)),
        (("n", 96, 96, 3), {}, (1, 2)),
        ((1, 3, 96, 96), {}, (2, 3)),
        ((4, 3, 96, 96), {}, (2, 3)),
    ],
)
def test_sizes_layouts_and_fixed_batches(tmp_path, shape, metadata, axes):
    numbers = {"mean": "[0.5, 0.4, 0.3]", "std": "[0.2, 0.5, 1.0]"}
    file = averaging(tmp_path / "a.onnx", shape, metadata=metadata | numbers, axes=axes)
    taken = encoder(tmp_path, file, GivenNumbers())
    np.testing.assert_allclose(taken.pool5(PICTURES), truth(HALF.mean, HALF.deviation), rtol=0.02, atol=0.02)


def test_numbers_above_one_are_of_pixels_up_to_255(tmp_path):
    given = GivenNumbers(mean=(103.9, 116.8, 123.7), deviation=(1, 1, 1))
    taken = encoder(tmp_path, averaging(tmp_path / "a.onnx"), given)
    np.testing.assert_allclose(taken.pool5(PICTURES), truth(given.mean, given.deviation, 1), rtol=2e-3, atol=0.05)


def test_whole_pixels_need_no_numbers(tmp_path):
    file = averaging(tmp_path / "a.onnx", ("n", 96, 96, 3), TensorProto.UINT8, axes=(1, 2))
    np.testing.assert_allclose(encoder(tmp_path, file, GivenNumbers()).pool5(PICTURES), truth(0, 1, 1), rtol=2e-3)


def test_an_output_of_tokens_is_no_vector_whatever_its_name(tmp_path):
    taken = [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ("n", 3, 96, 96))]
    tokens = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("n", 3, 96))
    vector = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ("n", 3))
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["embedding"], axes=[3], keepdims=0),
        helper.make_node("ReduceMean", ["pictures"], ["mean"], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "tokens", taken, [tokens, vector])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "tokens.onnx")
    found = encoder(tmp_path, tmp_path / "tokens.onnx")
    expected = truth(HALF.mean, HALF.deviation)
    np.testing.assert_allclose(found.pool5(PICTURES), expected, rtol=2e-3, atol=2e-3)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.embed(PICTURES), expected, atol=1e-4)


def test_a_map_of_features_is_averaged_over_its_places(tmp_path):
    taken = [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ("n", 3, 96, 96))]
    given = [helper.make_tensor_value_info("map", TensorProto.FLOAT, ("n", 3, 96, 96))]
    graph = helper.make_graph([helper.make_node("Identity", ["pictures"], ["map"])], "map", taken, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "map.onnx")
    np.testing.assert_allclose(
        encoder(tmp_path, tmp_path / "map.onnx").pool5(PICTURES), truth(HALF.mean, HALF.deviation), rtol=2e-3
    )


def test_a_file_is_one_model_by_its_bytes_and_numbers(tmp_path):
    models = tmp_path / "models"
    file = averaging(tmp_path / "a.onnx")
    first = take_onnx(models, file, HALF, NOW)
    assert take_onnx(models, file, HALF, "2027-01-01T00:00:00+00:00") == first
    other = take_onnx(models, file, GivenNumbers(mean=(0, 0, 0), deviation=(1, 1, 1)), NOW)
    assert other.id != first.id
    assert other.id.split("-")[:2] == first.id.split("-")[:2]
    card = json.loads((models / first.id / "model.json").read_text())
    assert card["onnx"]["sha256"].startswith(first.id.split("-")[1])
    assert isinstance(open_encoder(models / first.id, "cpu"), OnnxEncoder)


def test_a_damaged_or_missing_copy_is_told(tmp_path):
    folder = tmp_path / "models" / take_onnx(tmp_path / "models", averaging(tmp_path / "a.onnx"), HALF, NOW).id
    (folder / FILE).write_bytes(b"other")
    with pytest.raises(StorageError, match="its SHA-256 is not the card's"):
        open_encoder(folder)
    (folder / FILE).unlink()
    with pytest.raises(NotFound, match=r"encoder.onnx is missing"):
        open_encoder(folder)
    with pytest.raises(InvalidInput, match="is an ONNX encoder"):
        Encoder.load(folder, "cpu")


@pytest.mark.parametrize(
    ("file", "given", "message"),
    [
        ({}, GivenNumbers(), "does not say how its pictures are normalised"),
        (
            {},
            GivenNumbers(size=64, mean=(0, 0, 0), deviation=(1, 1, 1)),
            "takes pictures of 96×96 pixels and no others",
        ),
        ({}, GivenNumbers(mean=(0, 0, 0), deviation=(1, 0, 1)), "must be above 0"),
        ({"shape": ("n", 4, 96, 96)}, HALF, "no square pictures of three colours"),
        ({"shape": ("n", 3, 96, 64)}, HALF, "no square pictures of three colours"),
        ({"shape": ("n", 3, 96), "axes": (2,)}, HALF, "takes no pictures"),
        ({"kind": TensorProto.INT64}, HALF, "takes no pictures"),
        ({"inputs": 2}, HALF, "takes no pictures"),
        ({"axes": (3,)}, HALF, "no output with one vector per picture"),
    ],
)
def test_files_that_are_no_encoder_are_refused_and_leave_nothing(tmp_path, file, given, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        take_onnx(tmp_path / "models", averaging(tmp_path / "a.onnx", **file), given, NOW)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "models").exists()


def test_bytes_that_are_no_onnx_are_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(InvalidInput, match=r"a.onnx is not an ONNX file"):
        take_onnx(tmp_path / "models", tmp_path / "a.onnx", HALF, NOW)
    with pytest.raises(InvalidInput, match="cannot be read"):
        take_onnx(tmp_path / "models", tmp_path, HALF, NOW)
