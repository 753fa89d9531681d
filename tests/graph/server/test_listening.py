"""Tests of ownership of a port: the process that listens decides, not its answer."""

import sys
import time
from pathlib import Path

from graph.server.detached_process import LocalProcess, free_port

_LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
_SLEEP = "import time; time.sleep(60)"


def test_a_port_belongs_to_the_process_that_listens_there(tmp_path: Path) -> None:
    port, other_port = free_port("127.0.0.1", []), free_port("127.0.0.1", [])
    ours, other = LocalProcess(tmp_path / "ours.json"), LocalProcess(tmp_path / "other.json")
    assert not ours.listens_on(port)
    try:
        ours.start([sys.executable, "-c", _LISTEN, str(port)], tmp_path / "a.log", {}, tmp_path, port=port)
        other.start([sys.executable, "-c", _SLEEP], tmp_path / "b.log", {}, tmp_path, port=port)
        assert ours.wait_until(lambda: ours.listens_on(port), 60, lambda: time.sleep(0.01))
        assert not other.listens_on(port), "the other home remembers the same port, and its process runs"
        assert not ours.listens_on(port, other_port)
    finally:
        ours.stop(5)
        other.stop(5)
    assert not ours.listens_on(port)
