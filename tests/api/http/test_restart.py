"""Test of a Redis that restarts under a running API: the next `/readyz` is an answer, not a fault."""

import signal
from pathlib import Path

import pytest

from graph.server.detached_process import LocalProcess
from graph.server.neo4j import Neo4jDetails
from graph.settings import load_settings
from tests.api.conftest import serving
from tests.ports import quiet_port
from workers.redis_server import RedisServer


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_first_readiness_after_a_restart_of_redis_is_no_500(
    neo4j_server: Neo4jDetails, jar_cache: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    redis = RedisServer(tmp_path, jar_cache, port=quiet_port())
    url = redis.start()
    environment = {
        "TRANSITIVE_HOME": str(tmp_path),
        "NEO4J_URI": neo4j_server.bolt_uri,
        "NEO4J_PASSWORD": neo4j_server.password,
        "REDIS_URL": url,
    }
    try:
        with serving(load_settings(environment)) as client:
            assert client.get("/readyz").json()["checks"]["redis"]["ok"]
            process = LocalProcess(tmp_path / "redis" / "server.json").process()
            assert process is not None
            process.send_signal(ending)
            process.wait(30)
            away = client.get("/readyz")
            assert away.status_code == 503
            assert not away.json()["checks"]["redis"]["ok"]
            assert redis.start() == url
            for _ in range(3):
                answer = client.get("/readyz")
                assert answer.status_code == 503  # no worker serves this Redis
                assert answer.json()["checks"]["redis"]["ok"]
                assert "transitive up" in answer.json()["checks"]["workers"]["detail"]
    finally:
        redis.stop()
