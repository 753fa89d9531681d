"""Tests of hostile and unusual requests: they get the right status, even while Neo4j and Redis do not answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from api.http.problems import UnsupportedMedia, describe
from api.http.uploads import Inbox, receive
from graph.errors import InvalidInput
from graph.settings import load_settings
from tests.api.conftest import serving


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    environment = {
        "TRANSITIVE_HOME": str(tmp_path_factory.mktemp("alone")),
        "NEO4J_URI": "bolt://127.0.0.1:1",
        "NEO4J_PASSWORD": "unused",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    with serving(load_settings(environment)) as client:
        yield client


@pytest.mark.parametrize("number", [2**63, 10**20 - 1, 10**40])
@pytest.mark.parametrize(
    "path", ["/clusters/{}", "/clusters?after={}", "/graph/quadruples?parent={}", "/browse/clusters/{}"]
)
def test_integers_beyond_64_bits_are_422(alone: httpx.Client, path: str, number: int) -> None:
    assert alone.get(path.format(number)).status_code == 422


@pytest.mark.parametrize("field", ["seed", "iterations"])
def test_a_training_seed_beyond_64_bits_is_422(alone: httpx.Client, field: str) -> None:
    assert alone.post("/trainings", json={"recipe": "transitive", field: 2**63}).status_code == 422


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs"])
def test_head_is_answered_like_get_without_a_body(alone: httpx.Client, path: str) -> None:
    head, get = alone.head(path), alone.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_origin_changes_nothing(alone: httpx.Client, origin: str) -> None:
    assert alone.delete("/jobs/x", headers={"Origin": origin}).status_code == 403


def test_our_own_origin_passes(alone: httpx.Client) -> None:
    own = str(alone.base_url).rstrip("/")
    assert alone.delete("/jobs/x", headers={"Origin": own}).status_code == 503  # Neo4j is away


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("", UnsupportedMedia),
        ("video/mp4", UnsupportedMedia),
        (f"multipart/form-data; boundary={'b' * 71}", InvalidInput),
        (f"multipart/form-data; boundary={'b' * 5000}", InvalidInput),
    ],
)
def test_a_wrong_content_type_is_refused(tmp_path: Path, content_type: str, error: type[InvalidInput]) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"no form"

    with Inbox(tmp_path, 1000, 0).incoming() as incoming, pytest.raises(error, match=r"boundary|multipart/form-data"):
        asyncio.run(receive(body(), content_type, incoming))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "shown"), [("\ud800", "\ufffd"), ("a\udfffb", "a\ufffdb")])
def test_lone_surrogates_in_messages_are_replaced(text: str, shown: str) -> None:
    assert describe(InvalidInput(text), "/x").detail == shown
