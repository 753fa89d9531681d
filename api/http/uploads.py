"""Storage of uploaded videos under HOME/uploads.

The bytes of a body go to `<uuid>.partial` as they arrive, never through memory or a second temporary file. At the end
the file is renamed to `<video id>/<name>`. A failed upload leaves no file. A video's file stays as long as the video,
so that the pages can play it; it is removed when its job failed or the video is deleted.
"""

import errno
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from uuid import uuid4

from anyio import to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.http.awaited import awaited_bytes
from api.http.limits import LONGEST_BOUNDARY
from api.http.problems import TooLarge, UnsupportedMedia
from graph.errors import InvalidInput, StorageError

DISK_CHECK_BYTES = 16 * 1024**2  # the free disk space is checked again after this many bytes
ABANDONED_S = 24 * 3600  # a partial file that is unchanged for this time was left by a killed server
SETTLED_S = 60.0  # a whole file gets its job within a moment
_LONGEST_NAME = 200  # bytes; file systems stop at 255
_LOCKS = tuple(threading.Lock() for _ in range(64))  # each video's id chooses one


@dataclass(frozen=True)
class Inbox:
    """The folder of uploaded files, with its limits."""

    folder: Path
    limit: int  # bytes of one upload
    spare: int  # bytes of disk that stay free

    def check_disk(self, coming: int = 0) -> None:
        """Raise `StorageError` when `coming` more bytes would not leave `spare` free."""
        free = shutil.disk_usage(self.folder).free
        if free - coming < self.spare:
            raise StorageError(
                f"The disk has {free // 2**20} MiB free, too little for this video and {self.spare // 2**20} MiB to "
                "spare (TRANSITIVE_MIN_FREE_DISK_MB). Delete videos or give it more disk."
            )

    def check_announced(self, length: int) -> None:
        """Raise `StorageError` if the disk has no room for `length` bytes beside those that open uploads announced."""
        self.check_disk(length + awaited_bytes(self.folder))

    def check_size(self, size: int) -> None:
        """Raise `TooLarge` when an upload of `size` bytes is over the limit."""
        if size > self.limit:
            raise TooLarge(
                f"The upload is larger than {self.limit} bytes (TRANSITIVE_UPLOAD_BYTES). "
                "Put it on the server and name its path instead, or raise the limit."
            )

    def abandoned(self) -> list[Path]:
        """List the partial files that killed servers left."""
        return [path for path in self.folder.glob("*.partial") if age(path) > ABANDONED_S]

    @contextmanager
    def held(self, video_id: str) -> Iterator[None]:
        """Keep other threads from placing or removing the files of a video during the block."""
        with _LOCKS[hash(video_id) % len(_LOCKS)]:
            yield

    def delete(self, video_id: str) -> None:
        """Remove the files of a video; the caller holds it."""
        shutil.rmtree(self.folder / video_id, ignore_errors=True)

    def delete_settled(self, video_id: str) -> None:
        """Remove the files of a video, unless an upload has placed one again in the last moment."""
        with self.held(video_id):
            if age(self.folder / video_id) > SETTLED_S:
                self.delete(video_id)

    def settled(self) -> list[Path]:
        """List the folders, named by their video's id, whose files are old enough to have a job."""
        return [path for path in self.folder.glob("*") if path.is_dir() and age(path) > SETTLED_S]

    @contextmanager
    def placed(self, path: Path, video_id: str, name: str) -> Iterator[Path]:
        """Move a whole file to `<video id>/<name>`, where its job reads it, and submit the job in the block.

        If the block fails, the file is moved back. A file of the same bytes that was kept before stays in any case. A
        second upload of the same bytes waits for the end of the block, because its job would read this file.
        """
        folder = self.folder / video_id
        with self.held(video_id):
            folder.mkdir(exist_ok=True)
            os.utime(folder)  # an older file of the same bytes may be there: it is not settled any more
            target = folder / name
            kept = target.is_file() and target.stat().st_size == path.stat().st_size
            if not kept:
                path.replace(target)
            try:
                yield target
            except BaseException:
                if not kept:
                    target.rename(path)
                    with suppress(OSError):  # it has files of other names
                        folder.rmdir()
                raise
            if kept:
                path.unlink(missing_ok=True)

    @contextmanager
    def incoming(self, length: int = 0) -> Iterator["Incoming"]:
        """Open a new partial file for about `length` bytes; it is removed unless `kept` moved it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.check_announced(length)
        path = self.folder / f"{uuid4().hex}.partial"
        # unbuffered, so that closing has nothing left to write: on a full disk it would fail once more
        with path.open("wb", buffering=0) as file:
            incoming = Incoming(self, path, file)
            try:
                yield incoming
            finally:
                path.unlink(missing_ok=True)


@dataclass
class Incoming:
    """A file that is being received."""

    inbox: Inbox
    path: Path
    file: FileIO
    size: int = 0
    _checked: int = 0
    _digest: blake2b = field(default_factory=lambda: blake2b(digest_size=16))

    @property
    def video_id(self) -> str:
        """The id of the video received so far: the BLAKE2b hash of its bytes."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append; raises `TooLarge` and `StorageError`."""
        self.size += len(data)
        self._digest.update(data)
        self.inbox.check_size(self.size)
        if self.size - self._checked >= DISK_CHECK_BYTES:
            self._checked = self.size
            self.inbox.check_disk()
        write_all(self.file, data)

    @contextmanager
    def kept(self, name: str) -> Iterator[Path]:
        """Move the finished file to its lasting place (see `Inbox.placed`) for the block that submits its job."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise disk_error(error) from error
        with self.inbox.placed(self.path, self.video_id, name) as path:
            yield path


def age(path: Path) -> float:
    """Return the seconds since a file or folder was changed; 0 for one that was removed in the meantime."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def write_all(file: FileIO, data: bytes) -> None:
    """Append all of `data` to an unbuffered file; raises `StorageError`."""
    try:
        rest = memoryview(data)
        while rest:  # unbuffered files write what fits
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise disk_error(error) from error


def disk_error(error: OSError) -> StorageError:
    """Return the error that tells the sender why an upload could not be written."""
    cure = "Delete videos or give it more disk." if error.errno == errno.ENOSPC else "See the server's disk."
    return StorageError(f"The upload could not be written: {error.strerror}. {cure}")


def plain_name(name: str) -> str:
    """Return the last part of a client's file name, without control characters, at most 200 bytes long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(c for c in last if c.isprintable()).strip(" .")
    stem, suffix = os.path.splitext(printable)  # noqa: PTH122  a name, not a path
    stem = stem.encode()[: _LONGEST_NAME - len(suffix.encode()[:20])].decode(errors="ignore")
    return (stem + suffix[:20]) or "video"


@dataclass
class _FilePart:
    """The parser's state: the headers of the current part, and the file that is being read."""

    incoming: Incoming
    name: str | None = None  # None until the part `file` began
    _in_file: bool = False
    _header: bytes = b""
    _value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    ended: bool = False

    def on_part_begin(self) -> None:
        self._headers, self._header, self._value, self._in_file = {}, b"", b"", False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != b"file" or b"filename" not in options:
            return
        if self.name is not None:
            raise InvalidInput("The form holds more than one video. Send one request for each.")
        self.name = plain_name(options[b"filename"].decode(errors="replace"))
        self._in_file = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.incoming.write(data[start:end])

    def on_end(self) -> None:
        self.ended = True


async def receive(body: AsyncIterator[bytes], content_type: str, incoming: Incoming) -> str:
    """Write the form's part `file` to `incoming` and return its plain name.

    Raises:
        InvalidInput: there is no such part, more than one, an empty one, or the body is cut short.
        TooLarge: the file passes the inbox's limit.
        StorageError: the disk is full.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedMedia("Send multipart/form-data with a part named 'file', or application/json.")
    if len(options[b"boundary"]) > LONGEST_BOUNDARY:
        raise InvalidInput(f"The form's boundary is longer than {LONGEST_BOUNDARY} bytes. Choose a shorter one.")
    part = _FilePart(incoming)
    callbacks = {name: getattr(part, name) for name in dir(part) if name.startswith("on_")}
    parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
    try:
        async for chunk in body:
            await to_thread.run_sync(parser.write, chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise InvalidInput(f"The body is not a multipart form: {error}. Send it again.") from error
    except ClientDisconnect:
        raise InvalidInput("The upload was broken off. Send it again.") from None
    if part.name is None:
        raise InvalidInput("The form has no part named 'file' with a file name. Send the video as that part.")
    if not part.ended:
        raise InvalidInput("The upload ended in the middle of the form. Send it again.")
    if incoming.size == 0:
        raise InvalidInput(f"{part.name} is empty (0 bytes). Send the video itself.")
    return part.name
