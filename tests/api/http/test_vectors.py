"""Tests of vectors over HTTP: bit-exact in every format, in the requested order, encoded by the requested model."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
import torch

from api.http.embedding_forms import chosen_form
from api.http.patch_files import PatchFiles
from api.http.problems import NotAcceptable
from api.http.similar_patches import SimilarPatches
from graph.connection import Connection
from graph.errors import NotFound
from graph.models import write_model
from graph.records import Model
from graph.settings import Settings, load_settings
from graph.shards import Shards
from graph.vectors.selection import Selection
from tests.api.conftest import MODEL, World, picture, serving
from training.encoder import Encoder
from training.model_folder import write_model as write_folder
from training.networks import Network
from training.recipes import get_recipe

NPY, ARROW = "application/x-npy", "application/vnd.apache.arrow.stream"


def test_a_file_is_never_a_model_over_http(world: World, tmp_path: Path) -> None:
    (tmp_path / "encoder.onnx").write_bytes(b"onnx")
    for name in (f"onnx:{tmp_path}/encoder.onnx", str(tmp_path / "encoder.onnx")):
        answers = [
            world.client.post("/similar", params={"model": name}, files={"file": picture(1)}),
            world.client.post("/embeddings", params={"model": name}, files={"files": picture(1)}),
            world.client.get(f"/patches/{world.patches[0].id}/similar", params={"model": name}),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_one_embedding_is_the_stored_one(world: World) -> None:
    asked = world.patches[0].id
    answer = world.client.get(f"/patches/{asked}/embedding").json()
    assert (answer["id"], answer["model"]) == (asked, MODEL)
    assert np.array_equal(np.array(answer["vector"], np.float32), world.vectors[asked])


@pytest.mark.parametrize("accept", [NPY, ARROW, "application/json", "*/*"])
def test_a_lookup_gives_the_rows_in_the_order_asked_in_every_form(world: World, accept: str) -> None:
    ids = [p.id for p in world.patches[::-3]] + [world.patches[0].id] * 2
    answer = world.client.post("/embeddings/lookup", json={"ids": ids}, headers={"Accept": accept}).raise_for_status()
    expected = np.stack([world.vectors[i] for i in ids])
    if accept == NPY:
        found = np.load(io.BytesIO(answer.content), allow_pickle=False)
    elif accept == ARROW:
        table = pa.ipc.open_stream(answer.content).read_all()
        assert table["id"].to_pylist() == ids
        assert table.schema.metadata[b"model"] == MODEL.encode()
        found = np.stack(table["vector"].to_numpy(zero_copy_only=False))
    else:
        body = answer.json()
        assert (body["ids"], body["model"]) == (ids, MODEL)
        found = np.array(body["vectors"], np.float32)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)
    assert answer.headers["x-model"] == MODEL


def test_forms_nobody_can_give_are_406(world: World) -> None:
    answer = world.client.post(
        "/embeddings/lookup", json={"ids": [world.patches[0].id]}, headers={"Accept": "image/png"}
    )
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (f"{NPY};q=0.1, {ARROW};q=0.9", ARROW),
        ("text/html, */*;q=0.1", "application/json"),
        (f"image/png, {NPY}", NPY),
        (f"application/json;q=0, {NPY};q=0.2", NPY),
    ],
)
def test_the_form_is_the_one_liked_best(accept: str, form: str) -> None:
    assert chosen_form(accept) == form


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", f"{NPY};q=much"])
def test_no_form_is_made_up(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        chosen_form(accept)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ids": []}, 422),
        ({"ids": ["../../secret"]}, 422),
        ({"ids": ["f" * 16]}, 404),
        ({"ids": ["f" * 16], "model": "none"}, 404),
        ({}, 422),
    ],
)
def test_lookups_that_cannot_be_answered(world: World, body: dict[str, object], status: int) -> None:
    answer = world.client.post("/embeddings/lookup", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_over_the_limit_is_413_however_it_comes(world: World) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"ids": ["'
        for _ in range(65):
            yield b"0" * 2**20
        yield b'"]}'

    answer = world.client.post("/embeddings/lookup", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def encoding(connection: Connection, home: Path) -> Iterator[tuple[httpx.Client, Encoder]]:
    """The app with a narrow, untrained network in its models folder, and the same network beside it."""
    torch.manual_seed(5)
    recipe = replace(get_recipe("transitive", "cpu-small"), width=0.0625, hidden=32, embedding=24)
    network = Network(recipe)
    model = Model("transitive-tiny", "transitive", "cpu-small", 0, network.pool5_dim, 24, "", "2026-01-01")
    folder = home / "data" / "models" / model.id
    folder.mkdir(parents=True)
    write_folder(folder, network, recipe, model, {})
    write_model(connection, model)
    with serving(load_settings()) as client:
        yield client, Encoder.load(folder, "cpu")


def test_pictures_are_encoded_as_the_encoder_does(encoding: tuple[httpx.Client, Encoder]) -> None:
    client, encoder = encoding
    jpegs = [picture(seed) for seed in range(3)]
    files = [("files", (f"{n}.jpg", jpeg)) for n, jpeg in enumerate(jpegs)]
    address = "/embeddings?model=transitive-tiny"
    answer = client.post(address, files=files, headers={"Accept": NPY})
    assert answer.status_code == 200, answer.text
    found = np.load(io.BytesIO(answer.content), allow_pickle=False)
    expected = encoder.embed(encoder.decode(jpegs))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    named = client.post(address, files=files).json()
    assert (named["ids"], named["model"]) == (["0.jpg", "1.jpg", "2.jpg"], "transitive-tiny")


def test_a_picture_finds_the_patch_it_is(encoding: tuple[httpx.Client, Encoder], home: Path) -> None:
    client, encoder = encoding
    jpegs = [picture(seed) for seed in range(20, 26)]
    ids = [f"{n:016x}" for n in range(6)]
    shards = Shards(load_settings().data)
    shards.write_rows("patches/v", {"id": ids, "jpeg": jpegs})
    shards.write_vectors("embeddings/transitive-tiny/v", ids, encoder.embed(encoder.decode(jpegs)))
    answer = client.post("/similar?k=2", files={"file": ("x.jpg", jpegs[4])})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert items[0]["patch_id"] == ids[4]
    assert items[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert len(items) == 2


def test_what_is_no_picture_is_a_422_that_names_it(encoding: tuple[httpx.Client, Encoder]) -> None:
    client, _ = encoding
    files = [
        ("files", ("good.jpg", picture(1))),
        ("files", ("bad.jpg", b"hello")),
        ("files", ("cut.jpg", picture(2)[:300])),
    ]
    answer = client.post("/embeddings?model=transitive-tiny", files=files)
    assert answer.status_code == 422
    assert "bad.jpg is not a readable picture" in answer.json()["detail"]
    answer = client.post("/embeddings?model=transitive-tiny", files=files[2:])
    assert "cut.jpg is not a readable picture" in answer.json()["detail"]
    assert client.post("/embeddings?model=transitive-tiny").status_code == 422
    many = [("files", (f"{n}.jpg", b"x")) for n in range(300)]
    assert "more than 256" in client.post("/embeddings?model=transitive-tiny", files=many).json()["detail"]


def test_without_embeddings_the_cure_is_named(client: httpx.Client) -> None:
    answer = client.post("/similar", files={"file": ("x.jpg", picture(1))})
    assert answer.status_code == 404
    assert "transitive embed" in answer.json()["detail"]


def test_files_notice_what_other_processes_write_and_delete(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    files = PatchFiles(shards)
    first, second = "0" * 15 + "1", "f" * 15 + "2"
    with pytest.raises(NotFound):
        files.jpeg(first)
    shards.write_rows("patches/one", {"id": [first], "jpeg": [b"1"]})
    assert files.jpeg(first) == b"1"  # an unknown id causes an immediate new search
    shards.write_rows("patches/two", {"id": [second], "jpeg": [b"2"]})
    assert (files.jpeg(second), files.jpeg(first), files.video_of(second)) == (b"2", b"1", "two")
    shards.delete("patches/one")
    files.refresh()
    with pytest.raises(NotFound):
        files.jpeg(first)
    shards.write_rows("patches/two", {"id": [first, second], "jpeg": [b"new", b"3"]})
    assert files.jpeg_in_memory(second) == b"2"
    files.refresh()
    assert files.jpeg_in_memory(second) is None  # this version was not read yet
    assert (files.jpeg(first), files.jpeg(second)) == (b"new", b"3")
    assert (files.jpeg_in_memory(first), files.jpeg_in_memory("0" * 16)) == (b"new", None)


def test_similar_with_ties_and_a_small_budget_equals_sorting_everything(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    random = np.random.default_rng(3)
    everything: dict[str, np.ndarray] = {}
    for video in range(6):
        vectors = random.integers(-1, 2, (30, 3)).astype(np.float32)  # many equal cosines
        ids = [f"{video:08x}{n:08x}" for n in random.permutation(30)]
        shards.write_vectors(f"embeddings/m/{video}", ids, vectors)
        everything |= dict(zip(ids, vectors, strict=True))
    files = PatchFiles(shards, budget=1)  # every shard is read again and again
    similar = SimilarPatches(files, Settings(home=tmp_path))
    for query in random.integers(-2, 3, (20, 3)).astype(np.float32):
        for k in (1, 5, 200):
            expected = sorted(everything, key=lambda i: (-float(everything[i] @ query), i))
            expected = [i for i in expected if i != ids[0]][:k]
            found = similar.search("m", query, k, Selection(without_patch=ids[0]))
            assert [patch for patch, _, _ in found] == expected


def test_json_numbers_are_exact() -> None:
    """float32 → JSON → float32 is lossless, on which the JSON format of lookups relies."""
    values = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    assert np.array_equal(np.array(json.loads(json.dumps(values.tolist())), np.float32), values)
