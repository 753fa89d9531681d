"""Tests of locked jars with a real local repository: downloaded once, verified, cached, resumed after interruptions."""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from graph.errors import StorageError, Unavailable
from graph.records import no_progress
from graph.server import jars
from graph.server.jars import fetch, read_lock

CONTENTS = {f"/org/example/lib{n}/1.{n}/lib{n}-1.{n}.jar": bytes([n]) * (1000 + 700_000 * (n % 3)) for n in range(12)}
CONTENTS["/org/example/native/2.0/native-2.0-linux-x86_64.jar"] = b"native"
LOCKS = [path for room in ("graph/server", "workers") for path in (Path(__file__).parents[3] / room).glob("*.lock")]


@dataclass
class Repository:
    lock: Path
    asked: Counter[str] = field(default_factory=Counter)
    status: dict[str, list[int]] = field(default_factory=dict)  # status codes that are returned before the file
    changed: set[str] = field(default_factory=set)  # files that are served with other bytes


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A local Maven repository, and a lock file of all its files."""
    lock = tmp_path / "example.lock"
    lines = []
    for path, content in CONTENTS.items():
        group, name, version, file = re.fullmatch(r"/(.+)/(.+)/(.+)/(.+)\.jar", path).groups()  # type: ignore[union-attr]
        classifier = file.removeprefix(f"{name}-{version}").removeprefix("-")
        coordinate = ":".join(filter(None, [group.replace("/", "."), name, version, classifier]))
        lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {coordinate}\n")
    lock.write_text("# a comment\n" + "".join(lines))
    repository = Repository(lock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository.asked[self.path] += 1
            status = repository.status.get(self.path, [])
            content = CONTENTS[self.path][::-1] + b"!" if self.path in repository.changed else CONTENTS[self.path]
            self.send_response(status.pop(0) if status else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(jars, "MAVEN_CENTRAL_URL", f"http://127.0.0.1:{server.server_port}")
    yield repository
    server.shutdown()
    server.server_close()
    thread.join()


def get(repository: Repository, cache: Path) -> list[bytes]:
    return [path.read_bytes() for path in fetch(repository.lock, cache, no_progress, "Example", "Or go without.")]


def test_everything_is_fetched_once_and_then_the_network_is_left_alone(repository, tmp_path):
    said: list[tuple[str, int, int, str]] = []
    fetch(repository.lock, tmp_path / "a cache", lambda *news: said.append(news), "Example", "")
    total = sum(map(len, CONTENTS.values()))
    assert said[0] == ("Downloading Example", 0, total, "bytes")
    assert said[-1] == ("Downloading Example", total, total, "bytes")
    assert [news[1] for news in said] == sorted(news[1] for news in said)
    repository.asked.clear()
    assert get(repository, tmp_path / "a cache") == list(CONTENTS.values())
    assert not repository.asked


def test_processes_that_fetch_at_once_share_the_work(repository, tmp_path):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: get(repository, tmp_path), range(3)))
    assert results == [list(CONTENTS.values())] * 3
    assert set(repository.asked.values()) == {1}


def test_an_interrupted_fetch_goes_on_where_it_stopped(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "_CONNECTIONS", 2)

    def interrupted(stage: str, done: int, total: int, unit: str) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(repository.lock, tmp_path, interrupted, "Example", "")
    before = dict(repository.asked)
    assert 0 < len(before) < len(CONTENTS)
    assert get(repository, tmp_path) == list(CONTENTS.values())
    assert set(repository.asked.values()) == {1}


def test_a_half_written_file_of_a_killed_process_is_not_taken_for_a_jar(repository, tmp_path):
    path = fetch(repository.lock, tmp_path, no_progress, "Example", "")[0]
    path.unlink()
    path.with_suffix(".partial").write_bytes(b"half")
    assert get(repository, tmp_path) == list(CONTENTS.values())


def test_a_short_trouble_of_the_network_is_sat_out(repository, tmp_path):
    repository.status = {next(iter(CONTENTS)): [503]}
    assert get(repository, tmp_path) == list(CONTENTS.values())


def test_no_network_says_what_to_do_and_keeps_what_came(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "_ATTEMPTS", 1)
    bad = list(CONTENTS)[4]
    repository.status = {bad: [503]}
    with pytest.raises(
        Unavailable,
        match=r"Example could not be downloaded .*HTTP 503 for lib4.*start needs the network.*Or go without\.",
    ):
        get(repository, tmp_path)
    assert get(repository, tmp_path) == list(CONTENTS.values())


def test_a_jar_that_arrives_changed_is_refused(repository, tmp_path):
    changed = list(CONTENTS)[5]
    repository.changed = {changed}
    with pytest.raises(StorageError, match=r"lib5-1\.5\.jar differs from the locked file"):
        get(repository, tmp_path)
    assert not list(tmp_path.rglob("lib5-*"))


def test_a_jar_that_was_changed_in_the_cache_is_refused_by_name(repository, tmp_path):
    path = fetch(repository.lock, tmp_path, no_progress, "Example", "")[3]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(StorageError, match=f"{re.escape(str(path))} has changed.*Delete the file"):
        get(repository, tmp_path)
    path.unlink()
    assert get(repository, tmp_path) == list(CONTENTS.values())


def test_a_cache_that_cannot_be_written_is_named(repository, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="TRANSITIVE_CACHE"):
        get(repository, tmp_path / "file")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_committed_locks_pin_every_jar_and_name_no_host(lock: Path):
    assert "://" not in lock.read_text()
    found = read_lock(lock)
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in found)
    assert len({(jar.artifact, jar.version, jar.classifier) for jar in found}) == len(found)


def test_the_lock_of_neo4j_holds_server_and_browser():
    found = {
        f"{jar.group}:{jar.artifact}": jar.version
        for jar in read_lock(jars.Path(jars.__file__).with_name("neo4j.lock"))
    }
    assert found["org.neo4j:neo4j"].startswith("5.26.")
    assert "org.neo4j.client:neo4j-browser" in found
    assert len(LOCKS) == 2
