"""Tests of the checks of every request: hosts, origins, headers, limits of a key, slow clients, logs."""

import json
import logging
import socket
import time
from pathlib import Path

import pytest

from api.http.door.headers import SECURITY_HEADERS
from api.http.door.hosts import known_names
from api.http.door.usage import Usage
from api.http.problems import TooManyRequests
from api.keys import KeyStore, Scope
from graph.logs import LogLine, log_job, set_up_logs
from tests.api.http.door.conftest import Serve, settings_of


def test_a_host_that_is_not_ours_is_421(serve: Serve) -> None:
    client = serve(TRANSITIVE_HOST_NAMES="videos.example, box.local")
    port = client.base_url.port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[::1",
    ):
        assert client.get("/healthz", headers={"Host": host}).status_code == 421, host
    for host in ("localhost", f"127.0.0.1:{port}", "[::1]:80", "videos.example", "BOX.local:8000", "localhost.",
                 socket.gethostname()):  # fmt: skip
        assert client.get("/healthz", headers={"Host": host}).status_code == 200, host


def test_a_rebound_name_can_neither_read_nor_change(serve: Serve) -> None:
    client = serve()
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    assert client.get("/videos", headers=headers).status_code == 421
    assert client.post("/links", headers=headers).status_code == 421


def test_names_hold_no_empty_one(tmp_path: Path) -> None:
    assert "" not in known_names(settings_of(tmp_path, TRANSITIVE_HOST_NAMES=" , ,a"))


@pytest.mark.parametrize("path", ["/healthz", "/videos", "/browse", "/docs", "/nothing", "/openapi.json", "/login"])
def test_every_answer_has_the_security_headers(serve: Serve, path: str) -> None:
    answer = serve().get(path)
    assert set(map(str.lower, SECURITY_HEADERS)) <= set(answer.headers)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "'none'" in policy
    assert "server" not in answer.headers


def test_a_key_has_a_limit_of_requests(serve: Serve, tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    (_, busy), (_, calm) = store.create("busy", Scope.READ), store.create("calm", Scope.READ)
    client = serve(TRANSITIVE_REQUESTS_PER_SECOND="2")
    codes = [client.get("/openapi.json", headers={"Authorization": f"Bearer {busy}"}).status_code for _ in range(6)]
    assert codes[:2] == [200, 200]
    assert 429 in codes
    refused = client.get("/openapi.json", headers={"Authorization": f"Bearer {busy}"})
    assert refused.status_code == 200 or refused.headers["retry-after"]
    assert client.get("/openapi.json", headers={"Authorization": f"Bearer {calm}"}).status_code == 200


def test_a_key_has_a_limit_of_requests_at_once() -> None:
    usage = Usage(per_second=0, at_once=2)
    with usage.counted("a"), usage.counted("a"), usage.counted("b"):
        third = usage.counted("a")
        with pytest.raises(TooManyRequests, match="at once"):
            third.__enter__()
    with usage.counted("a"):
        pass


@pytest.mark.parametrize(
    ("sent", "is_told"),
    [
        (b"", False),
        (b"GET /healthz HTTP/1.1\r\nHost: local", True),
        (b"POST /links HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf", True),
        (b"POST /videos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", False),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHo", False),
    ],
)
def test_a_client_that_stops_in_the_middle_is_cut_off(serve: Serve, sent: bytes, is_told: bool) -> None:
    client = serve(TRANSITIVE_SLOW_CLIENT_SECONDS="0.3")
    with socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):  # ends when the server closes; the socket's timeout would raise
            received += chunk
    if is_told:
        assert b" 408 " in received or b" 5" in received


def _drip(connection: socket.socket) -> None:
    for _ in range(2000):
        connection.sendall(b"a")
        time.sleep(0.02)


def test_single_bytes_do_not_hold_a_connection_open(serve: Serve) -> None:
    client = serve(TRANSITIVE_SLOW_CLIENT_SECONDS="0.4")
    with socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        with pytest.raises(OSError):
            _drip(connection)


def test_a_slow_but_steady_upload_and_an_idle_browser_are_left_alone(serve: Serve) -> None:
    client = serve(TRANSITIVE_SLOW_CLIENT_SECONDS="0.5")
    body = b"x" * 20_000
    with socket.create_connection(("127.0.0.1", client.base_url.port), timeout=20) as connection:
        head = b"POST /embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (4 * len(body)))
        for _ in range(4):
            connection.sendall(body)
            time.sleep(0.2)
        assert b" 422 " in connection.recv(65536)
    assert client.get("/healthz").status_code == 200
    time.sleep(0.7)  # longer than the limit, between two requests of one connection
    assert client.get("/healthz").status_code == 200


def test_logs_hold_no_secret(serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        set_up_logs(
            settings_of(tmp_path, TRANSITIVE_LOG_LEVEL="DEBUG", REDIS_URL="redis://:the-redis-password@127.0.0.1:1/0")
        )
        _, text = KeyStore(tmp_path).create("x", Scope.ADMIN)
        client = serve()
        client.get("/videos", headers={"Authorization": f"Bearer {text}"})
        client.get("/videos", headers={"Authorization": f"Bearer {text}x"})
        client.post("/login", data={"key": text})
        logging.getLogger("x").warning("%s the-neo4j-password the-redis-password", text)
    finally:
        root.handlers[:], root.level = before, level
    said = capfd.readouterr().err
    assert "***" in said
    for secret in (text, text.split("_", 2)[2], "the-neo4j-password", "the-redis-password"):
        assert secret not in said


def test_a_json_line_names_its_job() -> None:
    record = logging.LogRecord("a.b", logging.WARNING, "f", 1, "half of %s", ("it\nall",), None)
    with log_job("5f0c"):
        line = json.loads(LogLine(as_json=True).format(record))
        text = LogLine(as_json=False).format(record)
    assert line | {"time": ""} == {
        "time": "",
        "level": "WARNING",
        "logger": "a.b",
        "message": "half of it\nall",
        "job": "5f0c",
    }
    assert text.endswith("(job 5f0c)")
    assert "job" not in json.loads(LogLine(as_json=True).format(record))
