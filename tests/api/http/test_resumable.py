"""Tests of resumable uploads: by tuspy, resumed after a break, within limits, and with the job of a plain upload."""

import os
import time
from base64 import b64encode
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from api.http.resumable import EXPIRES_S
from api.http.service import Service
from api.http.uploads import SETTLED_S
from graph.connection import Connection
from graph.settings import load_settings
from tests.api.conftest import serving

BYTES = bytes(range(256)) * 40
CHUNK = {"Content-Type": "application/offset+octet-stream", "Tus-Resumable": "1.0.0"}


def begin(client: httpx.Client, length: int = len(BYTES), name: str = "bikes.mp4") -> str:
    metadata = f"filename {b64encode(name.encode()).decode()},filetype {b64encode(b'video/mp4').decode()}"
    answer = client.post("/uploads", headers={"Upload-Length": str(length), "Upload-Metadata": metadata})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def send(client: httpx.Client, address: str, offset: int, data: bytes) -> httpx.Response:
    return client.patch(address, content=data, headers={**CHUNK, "Upload-Offset": str(offset)})


def test_tuspy_uploads_and_gets_the_job_of_a_plain_upload(client: httpx.Client) -> None:
    uploader = TusClient(f"{client.base_url}/uploads").uploader(
        file_stream=BytesIO(BYTES), chunk_size=4000, metadata={"filename": "a/b/bikes.mp4"}
    )
    uploader.upload()
    assert uploader.get_offset() == len(BYTES)
    known = client.get(uploader.url).json()
    job = client.get(f"/jobs/{known['job']}").json()
    assert (job["kind"], job["target"], known["name"]) == ("ingest", "bikes.mp4", "bikes.mp4")
    plain = client.post("/videos", files={"file": ("bikes.mp4", BYTES)})
    assert plain.json()["id"] == job["id"]


def test_an_interrupted_upload_goes_on_where_it_stands(client: httpx.Client, home: Path) -> None:
    address = begin(client)
    assert send(client, address, 0, BYTES[:100]).headers["upload-offset"] == "100"
    assert send(client, address, 0, BYTES[:100]).status_code == 409
    head = client.head(address)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("100", str(len(BYTES)))
    assert head.headers["cache-control"] == "no-store"
    answer = send(client, address, 100, BYTES[100:])
    assert answer.status_code == 204
    video = blake2b(BYTES, digest_size=16).hexdigest()
    assert answer.headers["location"].startswith("/jobs/")
    assert (home / "uploads" / video / "bikes.mp4").read_bytes() == BYTES
    assert client.get(address).json()["job"] == answer.headers["location"].removeprefix("/jobs/")
    assert send(client, address, len(BYTES), b"").status_code == 204
    assert send(client, address, len(BYTES), b"more").status_code == 422


def test_an_upload_that_is_given_up_leaves_nothing(client: httpx.Client, home: Path) -> None:
    address = begin(client)
    send(client, address, 0, BYTES[:100])
    assert client.delete(address).status_code == 204
    assert client.head(address).status_code == 404
    assert send(client, address, 100, BYTES[100:]).status_code == 404
    assert list((home / "uploads").iterdir()) == []


def test_abandoned_uploads_expire(client: httpx.Client, home: Path) -> None:
    kept, old = begin(client), begin(client)
    long_ago = 1_000_000_000.0
    for path in (home / "uploads").glob(f"{old.removeprefix('/uploads/')}.*"):
        assert path.stat().st_mtime - long_ago > EXPIRES_S
        os.utime(path, (long_ago, long_ago))
    shared = Service.open(load_settings())
    shared.uploads.remove_expired()
    shared.close()
    assert client.head(old).status_code == 404
    assert client.head(kept).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Length": "-1"}, 422),
        ({"Upload-Length": "5", "Upload-Metadata": "filename ???"}, 422),
        ({"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412),
        ({"Upload-Length": str(10**15)}, 413),
    ],
)
def test_wrong_uploads_are_refused_before_a_byte_is_sent(
    client: httpx.Client, home: Path, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/uploads", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not (home / "uploads").exists()


def test_bytes_need_their_type_and_no_more_of_them_than_announced(client: httpx.Client) -> None:
    address = begin(client, 10)
    assert client.patch(address, content=b"x", headers={"Upload-Offset": "0"}).status_code == 415
    assert client.patch(address, content=b"x", headers=CHUNK).status_code == 422
    assert send(client, address, 0, b"x" * 11).status_code == 422
    assert client.head(address).headers["upload-offset"] == "0"
    described = client.options("/uploads")
    assert described.headers["tus-extension"] == "creation,termination,expiration"
    assert (described.status_code, described.headers["tus-version"]) == (204, "1.0.0")


def test_a_full_disk_is_said_before_the_bytes_are_sent(connection: Connection, home: Path) -> None:
    settings = load_settings().model_copy(update={"min_free_disk_mb": 10**9})
    with serving(settings) as client:
        answer = client.post("/uploads", headers={"Upload-Length": "5"})
        assert (answer.status_code, list((home / "uploads").iterdir())) == (507, [])


def test_a_complete_upload_gets_its_job_later_where_redis_was_away(connection: Connection, home: Path) -> None:
    settings = load_settings()
    with serving(settings) as client:
        address = begin(client)
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    with serving(away) as client:
        assert send(client, address, 0, BYTES).status_code == 503
        assert client.get(address).json()["job"] == ""
    with serving(settings) as client:
        assert client.get(address).json()["job"] == ""  # reading starts nothing
        assert [job["state"] for job in client.get("/jobs").json()["items"]] == ["failed"]  # that of the last PATCH
        job = send(client, address, len(BYTES), b"").headers["location"]
        assert client.get(job).json()["state"] == "queued"


def test_a_complete_upload_whose_client_is_gone_gets_its_job_from_the_sweep(client: httpx.Client, home: Path) -> None:
    shared = Service.open(load_settings())
    upload = shared.uploads.create("a.mp4", len(BYTES))
    with shared.uploads.writing(upload.id, 0) as writer:
        writer.write(BYTES)
    shared.sweep()
    assert shared.uploads.get(upload.id).job == ""  # its own request may be about to start it
    os.utime(home / "uploads" / f"{upload.id}.upload", (time.time() - SETTLED_S - 60,) * 2)
    shared.sweep()
    shared.close()
    assert client.get(f"/jobs/{shared.uploads.get(upload.id).job}").json()["state"] == "queued"
