"""Tests of requests that add a video: their forms, their limits, and the places that they may name."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.uploads import Inbox, plain_name, receive
from graph.connection import Connection
from graph.errors import InvalidInput
from graph.jobs import get_job, job_arguments
from graph.settings import load_settings
from tests.api.conftest import serving
from tests.graph.written_jobs import update_job
from workers.requests import IngestRequest, parse_request

VIDEO = b"not really a video, " * 1000


@pytest.fixture
def small(connection: Connection, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The app with an upload limit of 100,000 bytes, which may read below home/allowed."""
    (home / "allowed").mkdir()
    monkeypatch.setenv("TRANSITIVE_UPLOAD_BYTES", "100000")
    monkeypatch.setenv("TRANSITIVE_ALLOWED_PATHS", str(home / "allowed"))
    with serving(load_settings()) as client:
        yield client


def uploads(home: Path) -> list[Path]:
    return sorted(path for path in (home / "uploads").rglob("*") if path.is_file())


def jobs(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get("/jobs").json()["items"]
    return items


def test_an_upload_becomes_a_file_and_a_job(small: httpx.Client, connection: Connection, home: Path) -> None:
    answer = small.post("/videos", files={"file": ("../../<b>bikes.MP4", VIDEO)})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["target"]) == ("ingest", "queued", "<b>bikes.MP4")
    (file,) = uploads(home)
    assert file == home / "uploads" / hashlib.blake2b(VIDEO, digest_size=16).hexdigest() / "<b>bikes.MP4"
    assert file.read_bytes() == VIDEO
    arguments = job_arguments(connection, job["id"])
    digest = hashlib.blake2b(VIDEO, digest_size=16).hexdigest()
    assert parse_request("ingest", arguments) == IngestRequest(str(file), digest, "<b>bikes.MP4")
    assert small.get(answer.headers["location"]).json()["id"] == job["id"]


def test_the_same_bytes_again_are_the_same_job_and_one_file(small: httpx.Client, home: Path) -> None:
    first = small.post("/videos", files={"file": ("a.mp4", VIDEO)}).json()
    again = small.post("/videos", files={"file": ("a.mp4", VIDEO)}).json()
    assert first["id"] == again["id"]
    assert len(uploads(home)) == 1


@pytest.mark.parametrize("told", [True, False], ids=["with a length", "chunked"])
def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(small: httpx.Client, home: Path, told: bool) -> None:
    request = small.build_request("POST", "/videos", files={"file": ("a.mp4", b"x" * 300_000)})
    body = request.read()
    content: Any = body if told else iter([body[i : i + 10_000] for i in range(0, len(body), 10_000)])
    answer = small.post("/videos", content=content, headers={"Content-Type": request.headers["content-type"]})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert "100000 bytes" in answer.json()["detail"]
    assert uploads(home) == []
    assert jobs(small) == []


@pytest.mark.parametrize(
    ("files", "data", "why"),
    [
        ({"other": ("a.mp4", VIDEO)}, None, "no part named 'file'"),
        ({"file": (None, VIDEO)}, None, "no part named 'file'"),
        ([("file", ("a.mp4", VIDEO)), ("file", ("b.mp4", VIDEO))], None, "more than one"),
        ({"file": ("a.mp4", b"")}, None, "empty"),
    ],
)
def test_a_form_without_one_video_is_refused(small: httpx.Client, home: Path, files: Any, data: Any, why: str) -> None:
    answer = small.post("/videos", files=files, data=data)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert uploads(home) == []


def test_a_form_cut_short_is_refused(small: httpx.Client, home: Path) -> None:
    request = small.build_request("POST", "/videos", files={"file": ("a.mp4", VIDEO)})
    cut = request.read()[:-40]
    answer = small.post("/videos", content=cut, headers={"Content-Type": request.headers["content-type"]})
    assert answer.status_code == 422
    assert uploads(home) == []


def test_a_client_that_goes_away_leaves_nothing(small: httpx.Client, home: Path) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + b"x" * 50_000
        end = time.monotonic() + 10
        while not any(path.stat().st_size for path in uploads(home)):  # it is written while it arrives
            assert time.monotonic() < end
            time.sleep(0.05)
        raise KeyError("gone")

    with pytest.raises(KeyError):
        small.post("/videos", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    end = time.monotonic() + 10
    while uploads(home) and time.monotonic() < end:
        time.sleep(0.05)
    assert uploads(home) == []
    assert jobs(small) == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""])
def test_other_bodies_are_not_taken(small: httpx.Client, kind: str) -> None:
    answer = small.post("/videos", content=b"hello", headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"path": "a", "url": "b"}', b"[" * 50_000, b'{"path": 3}'])
def test_json_that_names_no_source_is_refused(small: httpx.Client, body: bytes) -> None:
    answer = small.post("/videos", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_path_below_an_allowed_folder_is_taken(small: httpx.Client, connection: Connection, home: Path) -> None:
    (home / "allowed" / "deep").mkdir()
    video = home / "allowed" / "deep" / "a.mp4"
    video.write_bytes(VIDEO)
    job = small.post("/videos", json={"path": str(video)}).json()
    arguments = job_arguments(connection, job["id"])
    assert arguments["path"] == str(video)
    assert uploads(home) == []


def test_paths_elsewhere_are_refused_all_alike(small: httpx.Client, home: Path) -> None:
    secret = home / "secret.mp4"
    secret.write_bytes(VIDEO)
    (home / "allowed" / "link.mp4").symlink_to(secret)
    (home / "allowed" / "loop").symlink_to(home / "allowed" / "loop")
    (home / "allowed-not").mkdir()
    (home / "allowed-not" / "a.mp4").write_bytes(VIDEO)
    for path in (
        str(secret),
        str(home / "allowed" / ".." / "secret.mp4"),
        str(home / "allowed" / "link.mp4"),
        str(home / "allowed" / "loop"),
        str(home / "allowed-not" / "a.mp4"),
        str(home / "allowed"),
        str(home / "nothing.mp4"),
        "/etc/passwd",
        "/proc/self/environ",
        "a\0b",
        "x" * 5000,
        "",
    ):
        answer = small.post("/videos", json={"path": path})
        assert answer.status_code == 403, path
        assert "is not a file below a folder of TRANSITIVE_ALLOWED_PATHS" in answer.json()["detail"]
    assert jobs(small) == []


def test_nothing_is_read_by_path_or_url_unless_a_setting_allows_it(client: httpx.Client, home: Path) -> None:
    (home / "a.mp4").write_bytes(VIDEO)
    answer = client.post("/videos", json={"path": str(home / "a.mp4")})
    assert (answer.status_code, "TRANSITIVE_ALLOWED_PATHS" in answer.json()["detail"]) == (403, True)
    answer = client.post("/videos", json={"url": "https://example.com/a.mp4"})
    assert (answer.status_code, "TRANSITIVE_ALLOW_URLS" in answer.json()["detail"]) == (403, True)


def test_a_full_disk_is_a_507(connection: Connection, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSITIVE_MIN_FREE_DISK_MB", str(shutil.disk_usage(home).free // 2**20 + 10_000))
    with serving(load_settings()) as client:
        answer = client.post("/videos", files={"file": ("a.mp4", VIDEO)})
        assert answer.status_code == 507
        assert "TRANSITIVE_MIN_FREE_DISK_MB" in answer.json()["detail"]
        assert uploads(home) == []


def test_a_queue_that_is_away_is_a_503_and_leaves_nothing(
    connection: Connection, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret-word@127.0.0.1:1/0")
    with serving(load_settings()) as client:
        answer = client.post("/videos", files={"file": ("a.mp4", VIDEO)})
        assert answer.status_code == 503
        assert "Redis" in answer.json()["detail"]
        assert "secret-word" not in answer.text
        assert uploads(home) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("bikes.mp4", "bikes.mp4"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\a.mp4", "a.mp4"),
        ("a\0b\nc\x1b.mp4", "abc.mp4"),
        ("..", "video"),
        ("", "video"),
        ("ünïcode 视频.mp4", "ünïcode 视频.mp4"),
    ],
)
def test_names_lose_their_folders_and_control_characters(sent: str, kept: str) -> None:
    assert plain_name(sent) == kept


def test_long_names_keep_their_suffix_and_fit_a_file_system() -> None:
    for name in ("é" * 500 + ".mp4", "a" * 500 + "." + "é" * 300):
        assert len(plain_name(name).encode()) <= 255
    assert plain_name("é" * 500 + ".mp4").endswith(".mp4")


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_the_form_is_read_alike_however_it_is_cut(tmp_path: Path, size: int) -> None:
    content = os.urandom(5000) + b"\r\n--b\r\n--b-\r\n" + b"--b"  # data that resembles a boundary is kept
    body = (
        b'--bound\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--bound\r\ncontent-disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: x/y\r\n\r\n'
        + content
        + b"\r\n--bound--\r\n"
    )

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    inbox = Inbox(tmp_path, 10**6, 0)
    with inbox.incoming() as incoming:
        name = asyncio.run(receive(pieces(), "multipart/form-data; boundary=bound", incoming))
        with incoming.kept(name) as path:
            pass
    assert (name, path.read_bytes()) == ("a.mp4", content)
    assert incoming.video_id == hashlib.blake2b(content, digest_size=16).hexdigest()
    with pytest.raises(InvalidInput), inbox.incoming() as incoming:
        asyncio.run(receive(pieces(), "multipart/form-data; boundary=other", incoming))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [path]


def test_a_job_that_ended_cannot_be_cancelled(small: httpx.Client, connection: Connection) -> None:
    job = small.post("/videos", files={"file": ("a.mp4", VIDEO)}).json()
    update_job(connection, job["id"], state="running")
    assert small.delete(f"/jobs/{job['id']}").json()["state"] == "cancelling"
    update_job(connection, job["id"], state="done")
    answer = small.delete(f"/jobs/{job['id']}")
    assert answer.status_code == 409
    assert get_job(connection, job["id"]).state == "done"
