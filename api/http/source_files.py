"""The source files of videos that still exist: uploads, or paths on this server.

A file is served only if the hash of its bytes is the video's id, so a changed file is not served.
"""

import threading
from hashlib import blake2b, file_digest
from pathlib import Path

from graph import jobs
from graph.connection import Connection
from graph.errors import NotFound
from workers.requests import IngestRequest, job_id


class SourceFiles:
    """Finds the file of a video; safe to share between threads."""

    def __init__(self, connection: Connection, uploads: Path) -> None:
        """Look below `uploads` (one folder for each video's id) and at the paths that ingest jobs named."""
        self._connection = connection
        self._uploads = uploads
        self._known: dict[tuple[Path, int, int], str] = {}  # path, size, time of change → hash
        self._lock = threading.Lock()

    def find(self, video_id: str) -> Path:
        """Return the path of a video's file; raises `NotFound` if it is gone or was changed."""
        for path in self._candidates(video_id):
            try:
                if path.is_file() and self._hash(path) == video_id:
                    return path
            except OSError:  # no longer readable: the same as gone
                continue
        raise NotFound("The file of this video is no longer where it was when it was ingested.")

    def _candidates(self, video_id: str) -> list[Path]:
        found = sorted((self._uploads / video_id).glob("*"))
        try:
            named = jobs.job_arguments(self._connection, job_id(IngestRequest("", video=video_id))).get("path", "")
        except NotFound:
            return found
        return [*found, Path(named)] if named else found

    def _hash(self, path: Path) -> str:
        """Hash a file's bytes, once for each version of it: a long video takes seconds."""
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        with self._lock:
            if key in self._known:
                return self._known[key]
        with path.open("rb") as file:
            found = file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
        with self._lock:
            self._known[key] = found
        return found
