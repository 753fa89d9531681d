"""A killed mining worker while only the API is used: readiness turns 503, and the API alone queues its job again."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from api.http import app as http_app
from graph.connection import Connection
from tests.api.conftest import serving
from tests.integration.conftest import PATIENCE, Workshop


def _until(client: httpx.Client, path: str, wanted: object, *place: str) -> None:
    """Ask until the answer holds `wanted` at `place`."""
    end = time.monotonic() + PATIENCE
    while True:
        found = client.get(path).json()
        for key in place:
            found = found[key]
        if found == wanted:
            return
        assert time.monotonic() < end, f"{path} never became {wanted}: {found}"
        time.sleep(0.1)


def test_the_api_alone_notices_a_dead_mining_worker_and_queues_its_job_again(
    workshop: Workshop, connection: Connection, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_app, "SWEEP_S", 0.3)
    with serving(workshop.settings) as client:
        _until(client, "/readyz", True, "ready")
        with clips[1].open("rb") as file:  # long enough for segments
            job = client.post("/videos", files={"file": ("long.mp4", file)}).json()["id"]
        _until(client, f"/jobs/{job}", "running", "state")
        os.kill(workshop.stack.workers["mining"].pid, signal.SIGKILL)
        _until(client, "/readyz", False, "ready")
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "mining" in answer.json()["checks"]["workers"]["detail"]
        _until(client, f"/jobs/{job}", "queued", "state")
        assert workshop.stack.restart_dead_workers(workshop.settings) == ["mining"]
        _until(client, f"/jobs/{job}", "done", "state")
        _until(client, "/readyz", True, "ready")
        stages = client.get("/metrics").text
        assert 'transitive_stage_runs_total{kind="ingest"' in stages
    assert connection.read("MATCH (v:Video) RETURN count(v) AS n") == [{"n": 1}]


def test_the_api_comes_back_on_its_port_after_a_kill(workshop: Workshop) -> None:
    port = workshop.stack.api.port
    for _ in range(2):
        os.kill(workshop.stack.api.pid, signal.SIGKILL)
        workshop.stack.up()
        assert workshop.stack.api.port == port
        assert workshop.stack.api.listens()
    mode = workshop.stack.home.stat().st_mode
    assert not mode & 0o077, "others could read the home"
