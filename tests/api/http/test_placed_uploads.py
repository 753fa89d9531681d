"""Tests of uploaded files: they are placed whole or not at all, and deleted only when nothing needs them."""

import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

import httpx
import pytest

from api.http.resumable import ResumableUploads, Upload
from api.http.service import Service
from api.http.uploads import ABANDONED_S, SETTLED_S, Inbox
from graph.connection import Connection
from graph.errors import StorageError, Unavailable
from graph.records import Job
from graph.settings import load_settings
from tests.graph.written_jobs import update_job
from workers.requests import IngestRequest

VIDEO = b"not really a video, " * 1000


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_an_upload_stays_until_its_job_has_ended(
    client: httpx.Client, connection: Connection, home: Path, end: str
) -> None:
    job = client.post("/videos", files={"file": ("a.mp4", VIDEO)}).json()
    (file,) = (path for path in (home / "uploads").rglob("*") if path.is_file())
    service = Service.open(load_settings())
    for state in ("queued", "running", "cancelling"):
        update_job(connection, job["id"], state=state)
        age(file.parent, SETTLED_S + 60)
        service.sweep()
        assert file.exists(), state
    update_job(connection, job["id"], state=end)
    service.sweep()
    assert not file.parent.exists()
    service.close()


def test_an_upload_is_not_swept_while_its_job_is_being_asked_for(tmp_path: Path, home: Path) -> None:
    """A new upload has no job for a short time; an upload that stays without a job is deleted later."""
    service = Service.open(load_settings())
    with service.inbox.incoming() as incoming:
        incoming.write(VIDEO)
        with incoming.kept("a.mp4") as file:
            pass
    service.sweep()
    assert file.exists()
    age(file.parent, SETTLED_S + 60)
    service.sweep()
    assert not file.parent.exists()
    service.close()


def test_a_disk_that_fills_while_writing_is_a_storage_error(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, limit=10**9, spare=0)
    with Path("/dev/full").open("wb", buffering=0) as full, inbox.incoming() as incoming:
        incoming.file = full
        with pytest.raises(StorageError, match="No space left"):
            incoming.write(b"x" * 100)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_request_leaves_the_file_of_an_earlier_one(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 10**6, 0)
    resumable = ResumableUploads(inbox)

    def away(request: IngestRequest) -> Job:
        assert Path(request.path).read_bytes() == VIDEO
        raise Unavailable("Redis is away.")

    def received() -> Upload:
        with resumable.writing(resumable.create("a.mp4", len(VIDEO)).id, 0) as writer:
            writer.write(VIDEO)
        return writer.upload

    upload = received()
    with pytest.raises(Unavailable):
        resumable.start_job(upload, away)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    resumable.start_job(upload, lambda request: Job("j", "ingest"))
    kept = next(tmp_path.glob("*/a.mp4"))
    again = received()
    with pytest.raises(Unavailable):
        resumable.start_job(again, away)
    with inbox.incoming() as incoming:
        incoming.write(VIDEO)
        with pytest.raises(Unavailable), incoming.kept("a.mp4") as path:
            away(IngestRequest(str(path)))
    assert kept.read_bytes() == VIDEO
    assert resumable.start_job(again, lambda request: Job("k", "ingest")).job == "k"
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".mp4", ".upload", ".partial")] == [kept]


def test_an_upload_that_fails_leaves_the_file_to_another_one_of_the_same_bytes(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 10**6, 0)
    submitted = threading.Event()
    read: list[bytes] = []

    def succeed() -> None:
        with inbox.incoming() as incoming:
            incoming.write(VIDEO)
            with incoming.kept("a.mp4") as path:
                read.append(path.read_bytes())
                submitted.set()

    other = threading.Thread(target=succeed)

    def fail() -> None:
        with inbox.incoming() as incoming:
            incoming.write(VIDEO)
            with incoming.kept("a.mp4"):
                other.start()
                submitted.wait(0.5)  # a second upload that does not wait for this one submits its job now
                raise Unavailable("Redis is away.")

    with pytest.raises(Unavailable):
        fail()
    other.join()
    assert read == [VIDEO]
    assert [path.read_bytes() for path in tmp_path.glob("*/*")] == [VIDEO]
    assert not list(tmp_path.glob("*.partial"))


def test_an_upload_waits_until_the_video_of_the_same_bytes_is_deleted(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 10**6, 0)
    submitted = threading.Event()

    def upload() -> None:
        with inbox.incoming() as incoming:
            incoming.write(VIDEO)
            with incoming.kept("a.mp4"):
                submitted.set()

    other = threading.Thread(target=upload)
    video = hashlib.blake2b(VIDEO, digest_size=16).hexdigest()
    with inbox.held(video):
        other.start()
        submitted.wait(0.5)
        inbox.delete(video)
    other.join()
    age(tmp_path / video, SETTLED_S - 10)
    inbox.delete_settled(video)
    assert [path.read_bytes() for path in tmp_path.glob("*/*")] == [VIDEO]
    age(tmp_path / video, SETTLED_S + 60)
    inbox.delete_settled(video)
    assert not (tmp_path / video).exists()


def test_announced_uploads_take_the_disk_that_is_left(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    resumable = ResumableUploads(Inbox(tmp_path, 2**62, free // 2))
    first = resumable.create("a.mp4", free // 4)
    with pytest.raises(StorageError, match="too little"):
        resumable.create("b.mp4", free // 3)
    with pytest.raises(StorageError, match="too little"), resumable.inbox.incoming(free // 3):
        pass
    resumable.delete(first.id)
    resumable.create("b.mp4", free // 3)


def test_what_a_killed_server_left_half_written_is_told_from_what_is_being_written(tmp_path: Path) -> None:
    old, new, whole, fresh = (tmp_path / name for name in ("old.partial", "new.partial", "whole", "fresh"))
    for path in (old, new):
        path.write_bytes(b"x")
    for path in (whole, fresh):
        path.mkdir()
    for path in (old, whole):
        age(path, ABANDONED_S + 60)
    inbox = Inbox(tmp_path, 1, 1)
    assert (inbox.abandoned(), inbox.settled()) == ([old], [whole])


def test_small_parts_of_a_resumable_upload_do_not_fill_the_disk(tmp_path: Path) -> None:
    opened = ResumableUploads(Inbox(tmp_path, 10**6, 0)).create("a.mp4", 100)
    full = ResumableUploads(Inbox(tmp_path, 10**6, 2**62))
    with pytest.raises(StorageError, match="too little"), full.writing(opened.id, 0) as writer:
        writer.write(b"x")
    assert full.get(opened.id).offset == 0
