"""Tests of a linking that this process leads and a real Celery worker helps over a real Redis."""

import time

import pytest

from graph.connection import Connection
from graph.linking.neighbours import nearest
from graph.linking.parameters import LinkParameters
from graph.linking.parts import Run
from graph.linking.points import NumpyPoints
from graph.linking.run import link, link_vectors
from graph.linking.spread import Spread
from graph.linking.track_starts import track_starts_of
from graph.records import no_progress
from tests.graph.linking_data import make_world
from tests.integration.conftest import Workshop
from training.assignment import nearest_on, points_on
from workers import queue


def test_a_worker_does_parts_of_a_linking_led_elsewhere(
    workshop: Workshop, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.stack.up()  # an earlier test may have stopped the workers
    monkeypatch.setattr("graph.linking.track_starts.PART_ROWS", 40)
    world = make_world(400, 20)
    for video in world.videos:
        rows = [row for row, patch in enumerate(world.starts) if patch.video_id == video.id]
        ids = [world.starts[row].id for row in rows]
        workshop.shards.write_vectors(f"features/net/{video.id}", ids, world.features[rows])
    starts, _ = track_starts_of(world.starts)
    parameters = LinkParameters(parents=5, smallest=8).resolve(len(starts))
    torch = points_on("cpu"), nearest_on("cpu")
    run = Run(workshop.shards, "shared", "net", parameters, *torch)
    run.begin()
    redis = workshop.settings.redis_url.get_secret_value()

    def offer(name: str, kind: str, count: int) -> None:
        """Let the worker compute all parts, so that the leader finds every result."""
        queue.offer_parts(redis, name, kind, count)
        end = time.monotonic() + 120
        while len(run.finished(kind)) < count:
            assert time.monotonic() < end, f"the worker did not do {kind}"
            time.sleep(0.05)

    led = Run(workshop.shards, "shared", "net", parameters, _refuse, _refuse)  # computing a part here would fail
    vectors = Spread(led, starts, offer, workshop.settings.home, no_progress)
    found = link_vectors(starts, parameters, vectors, torch[0])
    assert found.digest() == link(world.features, world.starts, parameters, *torch).digest()
    assert found.digest() != link(world.features[::-1].copy(), world.starts, parameters, NumpyPoints, nearest).digest()
    run.remove()
    queue.offer_parts(redis, "shared", "assign", 3)  # late messages
    time.sleep(1.0)
    assert workshop.shards.folders("linking") == []


def _refuse(*_: object) -> None:
    raise AssertionError("the leader computed a part that was done")
