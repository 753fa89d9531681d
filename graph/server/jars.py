"""Java archives from Maven Central, downloaded in parallel and verified against a lock file.

A lock file has one line `sha256 bytes group:artifact:version[:classifier]` per jar. It is written once by
`python -m graph.server.jars COORDINATES FILE`, which resolves the set with jgo (40 seconds to read the POMs). jgo also
gives a jar's path in the repository and in the cache. The first start downloads eight jars at a time; later starts use
the cache only.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import httpx
import jgo
from filelock import FileLock, Timeout
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from graph.errors import StorageError, Unavailable
from graph.records import Progress

_CONNECTIONS = 8
_ATTEMPTS = 4
_TIMEOUT_S = 30.0
_CHUNK = 1 << 18  # bytes


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file: its Maven coordinates, its size in bytes and its SHA-256."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A jar's path in the cache and its URL in the repository, both in jgo's layout."""

    jar: Jar
    path: Path
    url: str


def read_lock(lock: Path) -> list[Jar]:
    """Read a lock file."""
    jars = []
    for line in lock.read_text().splitlines():
        if line and not line.startswith("#"):
            sha256, size, coordinate = line.split()
            group, artifact, version, classifier = [*coordinate.split(":"), ""][:4]
            jars.append(Jar(group, artifact, version, classifier, int(size), sha256))
    return jars


def fetch(lock: Path, cache: Path, progress: Progress, what: str, otherwise: str) -> list[Path]:
    """Return the cached paths of a lock file's jars after downloading missing jars and verifying every hash.

    Concurrent calls wait for each other. A call after an interruption downloads only what is still missing. `what`
    names the jars in messages, and `otherwise` tells a user without network what to do. Raises `Unavailable` when a
    download fails, and `StorageError` when a hash differs or the disk is full.
    """
    jars = read_lock(lock)
    cache = cache.expanduser().absolute()
    places = _places(jars, cache / "maven")
    try:
        with _cache_lock(cache / "maven.lock", progress, what):
            missing = [place for place in places if not _is_there(place)]
            if missing:
                _download_all(missing, progress, what, otherwise)
    except OSError as error:
        raise StorageError(
            f"{what} cannot be stored in {cache}: {error.strerror or error}. Free some space there, or set "
            "TRANSITIVE_CACHE to another folder."
        ) from error
    return [place.path for place in places]


def write_lock(endpoint: str, lock: Path, cache: Path) -> int:
    """Resolve an endpoint (`group:artifact:version+…`) with jgo and write the lock file; returns the number of jars."""
    context = MavenContext(repo_cache=cache)
    lines = []
    for artifact in sorted(jgo.resolve(endpoint), key=str):
        jar = context.project(artifact.groupId, artifact.artifactId).at_version(artifact.version)
        content = jar.artifact(artifact.classifier).resolve().read_bytes()
        parts = [artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier]
        coordinate = ":".join(part for part in parts if part)
        lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {coordinate}\n")
    lock.write_text(f"# made by `python -m graph.server.jars {endpoint} {lock.name}`\n" + "".join(lines))
    return len(lines)


def _places(jars: Sequence[Jar], folder: Path) -> list[_Place]:
    context = MavenContext(repo_cache=folder)
    places = []
    for jar in jars:
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        inside = component.path_prefix / component.artifact(jar.classifier).filename
        places.append(_Place(jar, folder / inside, f"{MAVEN_CENTRAL_URL}/{inside.as_posix()}"))
    return places


def _is_there(place: _Place) -> bool:
    if not place.path.exists():
        return False
    with place.path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != place.jar.sha256:
        raise StorageError(
            f"{place.path} has changed: its SHA-256 is {found}, not {place.jar.sha256}. "
            "Delete the file and start again to download it."
        )
    return True


@contextmanager
def _cache_lock(path: Path, progress: Progress, what: str) -> Iterator[None]:
    """Hold the lock of the cache; the operating system releases it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            progress(f"Waiting for another process that downloads {what}", 0, 0, "")
            sleep(0.5)
    try:
        yield
    finally:
        lock.release()


def _download_all(missing: Sequence[_Place], progress: Progress, what: str, otherwise: str) -> None:
    largest_first = sorted(missing, key=lambda place: -place.jar.size)
    total = sum(place.jar.size for place in missing)
    done = 0
    progress(f"Downloading {what}", 0, total, "bytes")
    with _client() as client, ThreadPoolExecutor(_CONNECTIONS) as pool:
        running = {pool.submit(_download, client, place): place.jar.size for place in largest_first}
        try:
            while running:
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    done += running.pop(future)
                progress(f"Downloading {what}", done, total, "bytes")
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{what} could not be downloaded from Maven Central ({_reason(error)}). The first start needs the "
                f"network: connect it and run the same command again. {otherwise}"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _download(client: httpx.Client, place: _Place) -> None:
    """Download one jar to a temporary file, verify its hash and rename it; retries when the network fails."""
    place.path.parent.mkdir(parents=True, exist_ok=True)
    partial = place.path.with_suffix(".partial")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            found = _save(client, place.url, partial)
            break
        except httpx.HTTPError as error:
            if attempt == _ATTEMPTS or (isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 404):
                raise
            sleep(0.5 * 2**attempt)
    if found != place.jar.sha256:
        partial.unlink()
        raise StorageError(
            f"The download of {place.path.name} differs from the locked file: its SHA-256 is {found}, not "
            f"{place.jar.sha256}. A proxy or mirror may have changed it: connect to Maven Central directly."
        )
    partial.replace(place.path)


def _save(client: httpx.Client, url: str, path: Path) -> str:
    digest = hashlib.sha256()
    with client.stream("GET", url) as response, path.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_raw(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _client() -> httpx.Client:
    """Return a client that trusts the system's certificates (a company's proxy) and certifi's (a bare image)."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return httpx.Client(verify=context, timeout=httpx.Timeout(_TIMEOUT_S, connect=10.0), follow_redirects=True)


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code} for {error.request.url.path.rsplit('/', 1)[-1]}"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    write_lock(sys.argv[1], Path(sys.argv[2]), Path.home() / ".m2" / "repository")
