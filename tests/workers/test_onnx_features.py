"""Tests of an ONNX encoder on a real graph: it links and embeds like our own models, and HTTP accepts no path."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph import models
from graph.connection import Connection
from graph.errors import NotFound
from graph.generations.catalogue import get_generation
from graph.linking.parameters import LinkParameters
from graph.records import no_progress
from graph.settings import settings
from graph.shards import Shards
from graph.videos import ready_video_ids
from tests.training.onnx_files import averaging
from training.encoders import open_encoder
from training.onnx_encoder import GivenNumbers
from workers.importing.find import read_sequences
from workers.requests import EmbedRequest, ImportRequest, LinkRequest
from workers.stage_context import StageContext
from workers.stages.embed import embed
from workers.stages.features import prepare_link
from workers.stages.import_tracks import identify_sequence, import_tracks
from workers.stages.link import link
from workers.stages.onnx_model import adopt_onnx

UNIT = GivenNumbers(mean=(0, 0, 0), deviation=(1, 1, 1))
LINKING = LinkParameters(parents=2, smallest=2, linked_share=1.0)


@pytest.fixture
def context(connection: Connection, home: Path, tmp_path: Path) -> StageContext:
    """A graph of six objects in two colours, imported from folders of pictures."""
    context = StageContext(settings(), connection, Shards(settings().data))
    for number in range(6):
        folder = tmp_path / f"objects/{number}"
        folder.mkdir(parents=True)
        for view in range(4):
            noise = np.random.default_rng((number, view)).integers(0, 60, (96, 96, 3))
            noise[:, :, number % 2] += 150
            Image.fromarray(noise.astype(np.uint8)).save(folder / f"{view}.png")
    for one in read_sequences(tmp_path / "objects"):
        request = ImportRequest(str(one.source), one.name, "pictures", identify_sequence(one), track_length=2)
        assert import_tracks(context, request, no_progress) == request.video
    return context


def test_links_by_an_onnx_file_join_what_its_vectors_hold_for_alike(context: StageContext, tmp_path: Path) -> None:
    model = adopt_onnx(context, averaging(tmp_path / "colours.onnx"), UNIT)
    assert adopt_onnx(context, tmp_path / "colours.onnx", UNIT) == model
    assert models.list_models(context.connection) == [model]
    made = link(context, prepare_link(context, LinkRequest(model.id, parameters=LINKING), no_progress), no_progress)
    assert get_generation(context.connection, made).feature_model == model.id
    assert context.shards.names(f"features/{model.id}") == ready_video_ids(context.connection)
    for video in ready_video_ids(context.connection):
        ids, vectors = context.shards.read_vectors(f"features/{model.id}/{video}")
        table = context.shards.read(f"patches/{video}")
        encoder = open_encoder(context.models / model.id, "cpu")
        assert ids == table["id"].to_pylist()
        assert np.array_equal(vectors, encoder.pool5(encoder.decode(table["jpeg"].to_pylist())))
    joined = context.connection.read(
        "MATCH (a:Patch)-[:INTER_INSTANCE]->(b:Patch) "
        "MATCH (v:Video {id: a.video_id}) MATCH (w:Video {id: b.video_id}) "
        "RETURN v.name AS one, w.name AS other"
    )
    assert joined
    assert all(int(row["one"]) % 2 == int(row["other"]) % 2 for row in joined)


def test_patches_are_embedded_by_a_named_encoder_and_never_by_default(context: StageContext, tmp_path: Path) -> None:
    model = adopt_onnx(context, averaging(tmp_path / "colours.onnx"), UNIT)
    with pytest.raises(NotFound, match="no model with an embedding"):
        models.choose_model(context.connection)
    assert embed(context, EmbedRequest(model.id), no_progress) == model.id
    for _, _, vectors in context.shards.all_vectors(f"embeddings/{model.id}"):
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_a_file_is_no_model_that_a_request_can_name(context: StageContext, tmp_path: Path) -> None:
    file = averaging(tmp_path / "colours.onnx")
    for request in (LinkRequest(f"onnx:{file}"), LinkRequest(str(file))):
        with pytest.raises(NotFound, match="There is no model"):
            prepare_link(context, request, no_progress)
    with pytest.raises(NotFound, match="There is no model"):
        embed(context, EmbedRequest(f"onnx:{file}"), no_progress)
