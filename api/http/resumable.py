"""Storage of resumable uploads (tus 1.0): the received bytes and the metadata of each file.

    HOME/uploads/<id>.upload      the bytes received so far
    HOME/uploads/<id>.json        name, length, and the job once the file is complete
    HOME/uploads/<id>.lock        held while a request writes

The number of bytes received is the size of the file and is not stored elsewhere. An upload that is not written to for
`EXPIRES_S` is removed.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b, file_digest
from io import FileIO
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from api.http.uploads import DISK_CHECK_BYTES, SETTLED_S, Inbox, age, write_all
from graph.atomic_write import atomic_write
from graph.errors import Conflict, InvalidInput, NotFound, Unavailable
from graph.identifiers import require_name
from graph.records import Job
from workers.requests import IngestRequest

EXPIRES_S = 24 * 3600
_LOCK_S = 60.0  # hashing a complete file takes a second for each gigabyte
MOST_OPEN = 1000  # uploads that are not complete
_creating = threading.Lock()


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload, as it was when it was read."""

    id: str
    name: str  # of the video, for people
    length: int  # bytes of the whole file
    offset: int = 0  # bytes received
    job: str = ""  # the ingest job of the complete file; "": none yet

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.offset == self.length


@dataclass(slots=True)
class Writer:
    """An upload that is open for appending; if a request breaks off, the bytes that arrived are kept."""

    inbox: Inbox
    upload: Upload
    file: FileIO | None  # None: nothing is missing
    # bytes since the disk was checked; the first write of each request checks it, because requests may be small
    _unchecked: int = DISK_CHECK_BYTES

    def write(self, data: bytes) -> None:
        """Append; raises `InvalidInput` for more bytes than were announced, and `StorageError`."""
        if not data:
            return
        if self.file is None or self.upload.offset + len(data) > self.upload.length:
            raise InvalidInput(f"The upload was announced with {self.upload.length} bytes, and more arrive.")
        self._unchecked += len(data)
        if self._unchecked >= DISK_CHECK_BYTES:
            self._unchecked = 0
            self.inbox.check_disk()
        write_all(self.file, data)
        self.upload = replace(self.upload, offset=self.upload.offset + len(data))


@dataclass(frozen=True, slots=True)
class ResumableUploads:
    """The resumable uploads of an inbox, with the inbox's limits of size and disk space."""

    inbox: Inbox

    def create(self, name: str, length: int) -> Upload:
        """Open an upload of `length` bytes; raises `TooLarge`, `StorageError`, `InvalidInput`, `Unavailable`."""
        if length == 0:
            raise InvalidInput(f"{name} is empty (0 bytes). Send the video itself.")
        self.inbox.check_size(length)
        self.inbox.folder.mkdir(parents=True, exist_ok=True)
        with _creating:  # the second of two requests counts the bytes that the first announced
            self.inbox.check_announced(length)
            if sum(1 for _ in self.inbox.folder.glob("*.upload")) >= MOST_OPEN:
                raise Unavailable(f"{MOST_OPEN} uploads are open already. Finish or delete some, then try again.")
            upload = Upload(uuid4().hex, name, length)
            self._write(upload)
            self._bytes(upload.id).touch()
        return upload

    def get(self, upload_id: str) -> Upload:
        """Read an upload; raises `NotFound` for one that never was, was deleted or has expired."""
        require_name("upload", upload_id)
        try:
            known = Upload(**json.loads(self._facts(upload_id).read_text()))
            offset = known.length if known.job else self._bytes(upload_id).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"There is no upload {upload_id}. Start a new one.") from None
        return replace(known, offset=offset)

    @contextmanager
    def writing(self, upload_id: str, offset: int) -> Iterator["Writer"]:
        """Append to an upload in the block.

        Raises `NotFound`, and `Conflict` when `offset` is not the number of bytes received or another request writes.
        """
        self.get(upload_id)
        try:
            with FileLock(self.inbox.folder / f"{upload_id}.lock", timeout=0):
                upload = self.get(upload_id)
                if offset != upload.offset:
                    raise Conflict(f"The upload has {upload.offset} bytes, not {offset}. Continue from there.")
                if upload.complete:
                    yield Writer(self.inbox, upload, None)
                    return
                with self._bytes(upload_id).open("ab", buffering=0) as file:
                    yield Writer(self.inbox, upload, file)
        except Timeout:
            raise Conflict("Another request writes to this upload. Ask for its offset, and continue there.") from None

    def start_job(self, upload: Upload, submit: Callable[[IngestRequest], Job]) -> Upload:
        """Submit an ingest job for a complete upload and return the upload with the job's id.

        A repeated call returns the same job. If `submit` fails, the upload is kept, and the next call tries again.
        """
        with FileLock(self.inbox.folder / f"{upload.id}.lock", timeout=_LOCK_S):
            known = self.get(upload.id)
            if known.job or not known.complete:
                return known
            source = self._bytes(upload.id)
            with source.open("rb") as file:
                os.fsync(file.fileno())
                video = file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
            with self.inbox.placed(source, video, known.name) as path:
                job = submit(IngestRequest(str(path), video, known.name))
                done = replace(known, job=job.id)
                self._write(done)
            return done

    def start_missing_jobs(self, submit: Callable[[IngestRequest], Job]) -> None:
        """Start the jobs of complete uploads whose last request could not; raises what `submit` raises."""
        for path in self.inbox.folder.glob("*.upload"):
            with suppress(NotFound, Timeout):  # deleted in the meantime, or its own request starts the job
                upload = self.get(path.stem)
                if upload.complete and age(path) > SETTLED_S:
                    self.start_job(upload, submit)

    def delete(self, upload_id: str) -> None:
        """Remove an upload; raises `NotFound`. The job of a complete upload continues."""
        self.get(upload_id)
        self._remove(upload_id)

    def expires(self, upload: Upload) -> float:
        """Return when an upload is removed if nothing more arrives, in seconds since 1970."""
        path = self._facts(upload.id) if upload.job else self._bytes(upload.id)
        with suppress(FileNotFoundError):
            return path.stat().st_mtime + EXPIRES_S
        return time.time()

    def remove_expired(self) -> None:
        """Remove expired uploads, and expired records of complete ones."""
        for facts in self.inbox.folder.glob("*.json"):
            ages = [age(path) for path in (facts, self._bytes(facts.stem)) if path.exists()]
            if ages and min(ages) > EXPIRES_S:
                self._remove(facts.stem)

    def _remove(self, upload_id: str) -> None:
        for path in (self._bytes(upload_id), self._facts(upload_id), self.inbox.folder / f"{upload_id}.lock"):
            path.unlink(missing_ok=True)

    def _write(self, upload: Upload) -> None:
        facts = asdict(upload)
        del facts["offset"]
        atomic_write(self._facts(upload.id), json.dumps(facts))

    def _bytes(self, upload_id: str) -> Path:
        return self.inbox.folder / f"{upload_id}.upload"

    def _facts(self, upload_id: str) -> Path:
        return self.inbox.folder / f"{upload_id}.json"
