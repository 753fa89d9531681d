"""The server as a process: it refuses an open address without a key, and ends its answers at a stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from graph.server.detached_process import free_port

_AWAY = {"NEO4J_URI": "bolt://127.0.0.1:1", "NEO4J_PASSWORD": "x", "REDIS_URL": "redis://127.0.0.1:1/0"}


@contextmanager
def server(home: Path, port: int, **changes: str) -> "Iterator[subprocess.Popen[str]]":
    """Run `python -m api.http.serve`; a process that is still there afterwards is killed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRANSITIVE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "api.http.serve", "--port", str(port)],
        env={**kept, **_AWAY, "TRANSITIVE_HOME": str(home), **changes},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_open_address_without_a_key_ends_in_one_line(tmp_path: Path) -> None:
    with server(tmp_path, 0, TRANSITIVE_HOST="0.0.0.0") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said.strip().splitlines()[-1].startswith("transitive: TRANSITIVE_HOST is 0.0.0.0")
    assert "transitive key create" in said
    assert "Traceback" not in said


def test_a_stop_ends_the_answers_under_way(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", [])
    with server(tmp_path, port) as process:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                if httpx.get(f"{url}/healthz").is_success:
                    break
            except httpx.TransportError:
                assert process.poll() is None
                time.sleep(0.05)
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/readyz", timeout=60).status_code))
        asking.start()
        time.sleep(0.1)  # it asks Neo4j for a second
        process.send_signal(signal.SIGTERM)
        asking.join()
        process.communicate(timeout=60)
    assert answers == [503]
