"""Resumable uploads (tus 1.0) for both clients: headers, chunks, and the id of a video file."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import blake2b, file_digest
from pathlib import Path

from .errors import InvalidInput
from .types import Job

CHUNK_BYTES = 8 * 1024**2
Progress = Callable[[int, int], None]  # bytes sent, bytes of the file

CHUNK_TYPE = "application/offset+octet-stream"
VERSION = {"Tus-Resumable": "1.0.0"}


def creation_headers(path: Path) -> dict[str, str]:
    """Return the headers that announce a file."""
    name = b64encode(path.name.encode()).decode()
    return {**VERSION, "Upload-Length": str(path.stat().st_size), "Upload-Metadata": f"filename {name}"}


def chunk_headers(offset: int) -> dict[str, str]:
    """Return the headers of the bytes from `offset` on."""
    return {**VERSION, "Upload-Offset": str(offset), "Content-Type": CHUNK_TYPE}


def read_chunk(path: Path, offset: int, total: int) -> bytes:
    """Read the next bytes to send of a file that was announced with `total` bytes; there are none at its end.

    Raises `InvalidInput` if the file has become shorter, because the rest will never come.
    """
    with path.open("rb") as file:
        file.seek(offset)
        chunk = file.read(CHUNK_BYTES)
    if not chunk and offset < total:
        raise InvalidInput(f"{path} became shorter than {total} bytes while it was sent. Send it again.")
    return chunk


def video_id(path: Path) -> str:
    """Return the id that the server gives a video file: the BLAKE2b hash (16 bytes) of its bytes."""
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


def already_there(video: str, path: Path) -> Job:
    """Return a finished job without id, for a video that the server already has."""
    return Job("", "ingest", "done", target=path.name, result=video)
