"""Measures of the workers in Redis: stage timings and GPU use, shown by `/metrics` and the dashboard."""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from api.http.metrics import Measurements
from graph.errors import Unavailable
from graph.vectors.manifest import Manifest
from workers.gpu_use import GpuUse, read_gpus, store_gpu_use, stored_gpu_use
from workers.stage_timings import StageClock, StageTiming, add_timings, read_timings

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


INDEXES = {"m": Manifest(1024, ("s",), 30_000, 30_000, 128, 512, 8, 0.97, "2026-01-01T00:00:00+00:00")}
NVIDIA_SMI = """#!/bin/sh
echo "0, 37, 1024, 8192"
echo "1, [N/A], 0, 8192"
"""


@pytest.fixture
def emptied(redis_url: str) -> Iterator[str]:
    with redis.Redis.from_url(redis_url) as client:
        used = ("transitive:stages", "transitive:gpu:machine:0")
        client.delete(*used)
        yield redis_url
        client.delete(*used)


def test_each_stage_has_the_time_until_the_next_one() -> None:
    times = iter([0.0, 1.0, 4.0, 4.5, 9.5])
    clock = StageClock(lambda: next(times))
    for stage in ("mining", "writing patches", "mining", ""):
        clock.enter(stage)
    assert clock.seconds == {"mining": 8.0, "writing patches": 0.5}


def test_jobs_add_up_and_stages_may_have_spaces(emptied: str) -> None:
    add_timings(emptied, "ingest", {"mining": 2.0, "writing patches": 0.5})
    add_timings(emptied, "ingest", {"mining": 3.0})
    add_timings(emptied, "train", {"training": 7.25})
    assert read_timings(emptied) == [
        StageTiming("ingest", "mining", 5.0, 2),
        StageTiming("ingest", "writing patches", 0.5, 1),
        StageTiming("train", "training", 7.25, 1),
    ]
    text = Measurements().text(emptied, {}).decode()
    assert 'transitive_stage_seconds_total{kind="ingest",stage="mining"} 5.0' in text
    assert 'transitive_stage_runs_total{kind="ingest",stage="mining"} 2.0' in text


def test_the_use_of_gpus_and_the_size_of_indexes_are_measured(
    emptied: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = read_gpus()
    assert found == [GpuUse(socket.gethostname(), "0", 0.37, 1 << 30, 8 << 30)]
    store_gpu_use(emptied, [replace(found[0], host="machine")])
    assert [gpu for gpu in stored_gpu_use(emptied) if gpu.host == "machine"] == [replace(found[0], host="machine")]
    text = Measurements().text(emptied, INDEXES).decode()
    assert 'transitive_gpu_utilization{gpu="0",host="machine"} 0.37' in text
    assert 'transitive_index_vectors{model="m"} 30000.0' in text
    assert 'transitive_index_vector_bytes{model="m"} 6.144e+07' in text


def test_a_redis_that_is_away_is_said() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        read_timings("redis://127.0.0.1:1/0")


def test_the_dashboard_shows_metrics_that_there_are(emptied: str) -> None:
    add_timings(emptied, "ingest", {"mining": 1.0})
    measurements = Measurements()
    measurements.requests.labels("GET", "/videos", "200").inc()
    measurements.seconds.labels("/videos").observe(0.1)
    store_gpu_use(emptied, [GpuUse("machine", "0", 0.5, 2, 8)])
    there = set(re.findall(r"^(transitive_\w+)", measurements.text(emptied, INDEXES).decode(), re.MULTILINE))
    shown = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"transitive_\w+", target["expr"])
    }
    assert len(shown) >= 5
    assert shown <= there
