"""Tests of answers from memory: they equal those of the routes, and what memory cannot answer is passed on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.responses import PlainTextResponse

from api.http.app import create_app
from api.http.service import Service
from api.http.stored_answers import StoredAnswers
from graph.connection import Connection
from graph.models import write_model
from graph.records import Model
from graph.settings import load_settings
from graph.shards import Shards
from tests.api.conftest import picture

MODEL = "transitive-0123456789ab"
VIDEO, PATCH, OTHER = "1" * 32, "00000000000000aa", "00000000000000bb"
IMAGE, EMBEDDING = f"/patches/{PATCH}/image", f"/patches/{PATCH}/embedding?model={MODEL}"
PASSED_ON = 599


@pytest.fixture
def shared(connection: Connection, home: Path) -> Iterator[Service]:
    """A service whose memory holds the row groups of one patch, and its model."""
    write_model(connection, Model(MODEL, "transitive", "cpu-small", 1, 32, 16, "g", "2026-01-01"))
    shards = Shards(load_settings().data)
    vector = np.random.default_rng(0).standard_normal((1, 16)).astype(np.float32)
    shards.write_rows(f"patches/{VIDEO}", {"id": [PATCH], "jpeg": [picture(0)]})
    shards.write_vectors(f"embeddings/{MODEL}/{VIDEO}", [PATCH], vector)
    app = create_app(load_settings())
    service: Service = app.state.service
    service.files.jpeg(PATCH)
    service.files.embeddings(service.embedded_model(MODEL), [PATCH])
    yield service
    service.close()


def ask(app: object, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


def from_memory(shared: Service, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    return ask(StoredAnswers(PlainTextResponse("", PASSED_ON), shared), path, headers, method)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (IMAGE, {}, 200),
        (IMAGE, {"Accept": "image/*"}, 200),
        (IMAGE, {"Range": "bytes=10-19"}, 206),
        (IMAGE, {"Range": "bytes=999999-"}, 416),
        (IMAGE, {"If-None-Match": "*"}, 304),
        (EMBEDDING, {}, 200),
        (EMBEDDING, {"Accept": "application/x-npy"}, 200),
        (EMBEDDING, {"Accept": "application/vnd.apache.arrow.stream"}, 200),
    ],
)
def test_an_answer_from_memory_is_that_of_the_route(
    shared: Service, path: str, headers: dict[str, str], status: int
) -> None:
    stored = from_memory(shared, path, headers)
    app = create_app(load_settings())  # nothing is in its memory yet
    routed = ask(app, path, headers)
    app.state.service.close()
    assert (stored.status_code, routed.status_code) == (status, status)
    assert stored.content == routed.content
    assert stored.headers.items() <= routed.headers.items()


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        (f"/patches/{OTHER}/image", {}, "GET"),
        (f"/patches/{PATCH.upper()}/image", {}, "GET"),
        (f"{IMAGE}?size=9", {}, "GET"),
        (IMAGE, {"Accept": "text/html"}, "GET"),
        (IMAGE, {"Accept": "image/jpeg;q=x"}, "GET"),
        (IMAGE, {}, "POST"),
        (f"/patches/{PATCH}/embedding", {}, "GET"),
        (f"/patches/{PATCH}/embedding?model=unknown", {}, "GET"),
        (f"{EMBEDDING}&k=3", {}, "GET"),
        (EMBEDDING, {"Accept": "image/jpeg"}, "GET"),
        ("/healthz", {}, "GET"),
    ],
)
def test_what_memory_cannot_answer_is_passed_on(
    shared: Service, path: str, headers: dict[str, str], method: str
) -> None:
    assert from_memory(shared, path, headers, method).status_code == PASSED_ON
