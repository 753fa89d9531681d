"""Tests of a real Redis in a home folder: password, persistence after SIGKILL, changing ports, two kinds of binary."""

import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import AuthenticationError, Redis

from graph.errors import Unavailable
from graph.server.detached_process import write_private
from tests.ports import quiet_port
from workers import redis_server
from workers.redis_server import RedisServer, jar_binary


@pytest.fixture
def server(tmp_path: Path, jar_cache: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / 'a "home" with spaces', jar_cache, port=quiet_port())
    yield server
    server.stop()


def value(url: str) -> bytes | None:
    with Redis.from_url(url) as client:
        found = client.get("key")
        assert found is None or isinstance(found, bytes)
        return found


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].removesuffix("/0"))


def test_it_asks_for_the_password_which_only_the_owner_can_read(server, tmp_path):
    url = server.start()
    with Redis.from_url(url) as client:
        client.set("key", "kept")
    port = port_of(url)
    with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
        stranger.get("key")
    secret = next(tmp_path.rglob("redis_password"))
    assert secret.read_text().strip() in url
    for path in (secret, next(tmp_path.rglob("redis.conf"))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.start() == url  # running already


def test_what_was_acknowledged_survives_a_kill_and_a_stop(server):
    url = server.start()
    with Redis.from_url(url) as client:
        client.set("key", "kept")
    os.kill(server._process.process().pid, signal.SIGKILL)
    server._process.wait_until(lambda: False, 20, lambda: None)
    assert not server.running()
    assert value(server.start()) == b"kept"
    server.stop()
    assert not server.running()
    assert server.start() == url
    assert value(url) == b"kept"


def test_the_port_moves_when_another_program_took_it(server, jar_cache, tmp_path):
    url = server.start()
    with Redis.from_url(url) as client:
        client.set("key", "mine")
    port = port_of(url)
    neighbour = RedisServer(tmp_path / "other", jar_cache, port=port)
    moved = neighbour.start()
    assert port_of(moved) > port
    assert value(moved) is None
    neighbour.stop()
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        assert port_of(server.start()) > port
    assert value(server.url()) == b"mine"


def test_two_homes_that_start_at_once_get_servers_of_their_own(jar_cache, tmp_path):
    """Both find the same port free and have the same password, as copied homes do."""
    port = quiet_port()
    homes = [RedisServer(tmp_path / name, jar_cache, port=port) for name in ("one", "two", "three")]
    for name in ("one", "two", "three"):
        write_private(tmp_path / name / "secrets" / "redis_password", "the-same\n")
    barrier = threading.Barrier(len(homes))

    def start(home: RedisServer) -> str:
        barrier.wait()
        return home.start()

    try:
        with ThreadPoolExecutor(len(homes)) as pool:
            urls = list(pool.map(start, homes))
        for number, url in enumerate(urls):
            with Redis.from_url(url) as client:
                client.set("key", number)
        assert [value(url) for url in urls] == [b"0", b"1", b"2"]
        assert len(set(map(port_of, urls))) == len(homes)
    finally:
        for home in homes:
            home.stop()


def test_the_binary_in_the_jar_serves_where_none_is_installed(server, jar_cache, monkeypatch):
    monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    version = subprocess.run([str(jar_binary(jar_cache)), "--version"], capture_output=True, text=True, check=True)
    assert "v=6.2" in version.stdout
    url = server.start()
    with Redis.from_url(url) as client:
        assert client.info("server")["redis_version"].startswith("6.2")
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_machine_without_any_binary_is_told_what_to_do(server, monkeypatch):
    monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    monkeypatch.setattr(redis_server.platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match=r"no redis-server for .* riscv64.*Install redis-server.*REDIS_URL"):
        server.start()


def test_a_server_that_cannot_start_says_why(server, tmp_path):
    server.start()
    server.stop()
    for path in tmp_path.rglob("*.aof"):
        path.write_bytes(b"this is no command\n")
    for path in tmp_path.rglob("*.manifest"):
        path.write_bytes(b"nonsense")
    with pytest.raises(Unavailable, match=r"local Redis did not start\. End of its log: .*(AOF|manifest|reading)"):
        server.start()


def test_before_the_first_start_there_is_no_address(server):
    assert not server.running()
    server.stop()
    with pytest.raises(Unavailable, match="`transitive up`"):
        server.url()
