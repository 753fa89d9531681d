"""Fixtures of the linking stages: a world, and a context on real servers."""

from pathlib import Path

import pytest

from graph.connection import Connection
from graph.settings import settings
from graph.shards import Shards
from tests.graph.linking_data import World, make_world
from tests.workers.linking.worlds import add
from workers.stage_context import StageContext


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.linking.track_starts.PART_ROWS", 60)
    monkeypatch.setenv("TRANSITIVE_LEAST_CONFIDENCE", "0")  # because the world's confidences are random


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(400, 11)


@pytest.fixture
def context(connection: Connection, home: Path) -> StageContext:
    return StageContext(settings(), connection, Shards(settings().data))


@pytest.fixture
def linked_videos(context: StageContext, world: World) -> StageContext:
    add(context, world)
    return context
