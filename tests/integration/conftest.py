"""Real Celery workers and the real command with the run's Neo4j and Redis; graph and files are emptied per test."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli.commands.demo import packaged_clips
from api.cli.stack import Stack
from graph.connection import Connection
from graph.server.neo4j import Neo4jDetails
from graph.settings import Settings, load_settings
from graph.shards import Shards
from tests.workers.mining.composites import paste, texture, write_video

COMMAND = Path(sys.executable).with_name("transitive")
PATIENCE = 300.0  # timeout in seconds; long, because a loaded machine is slow


@dataclass(frozen=True)
class Result:
    """Exit status and output of a command."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Workshop:
    """A home folder with running workers, and the command for it."""

    environment: dict[str, str]
    stack: Stack
    settings: Settings

    def start(self, *arguments: str | Path, **changes: str) -> "subprocess.Popen[str]":
        """Start `transitive ARGUMENTS` without waiting for its end."""
        return subprocess.Popen(
            [str(COMMAND), *map(str, arguments)],
            env=self.environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a test run in the background of a script ignores SIGINT, and its children would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str | Path, **changes: str) -> Result:
        """Run `transitive ARGUMENTS` and wait for its end."""
        return finish(self.start(*arguments, **changes))

    @property
    def shards(self) -> Shards:
        """Shards of this home folder."""
        return Shards(self.settings.data)


def finish(process: "subprocess.Popen[str]") -> Result:
    """Wait for a command's end; fails if it hangs or prints a traceback."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"the command hangs: {err}")
    assert "Traceback" not in out + err
    return Result(process.returncode, out, err)


def wait_until(condition: Callable[[], bool], what: str, command: "subprocess.Popen[str]") -> None:
    """Wait until a condition holds; fails if the command ends before that."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        assert command.poll() is None, f"never: {what}; the command ended: {finish(command)}"
        time.sleep(0.05)


@pytest.fixture(scope="package")
def one_thread() -> Iterator[None]:
    """Let torch use one thread in this process's children: on small networks two threads mostly wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="package")  # not "session", because they would claim the jobs of other tests
def celery_workers(
    tmp_path_factory: pytest.TempPathFactory,
    neo4j_server: Neo4jDetails,
    redis_url: str,
    jar_cache: Path,
    one_thread: None,
) -> Iterator[Workshop]:
    """A home folder whose workers and API use the run's servers; its name has a space and an umlaut."""
    folder = tmp_path_factory.mktemp("würk shop")
    (folder / "transitive.toml").write_text("segment_frames = 100\n")
    named = {
        "TRANSITIVE_HOME": str(folder),
        "TRANSITIVE_CACHE": str(jar_cache),
        "NEO4J_URI": neo4j_server.bolt_uri,
        "NEO4J_USER": neo4j_server.user,
        "NEO4J_PASSWORD": neo4j_server.password,
        "REDIS_URL": redis_url,
        "TRANSITIVE_API_PORT": "18000",
        "TRANSITIVE_MIN_FREE_DISK_MB": "1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSITIVE_")} | named
    settings = load_settings(environment)
    stack = Stack(settings)
    stack.up()
    yield Workshop(environment, stack, settings)
    stack.down()


@pytest.fixture
def workshop(celery_workers: Workshop, connection: Connection) -> Workshop:
    """The home folder with running workers, an empty graph and no files."""
    shutil.rmtree(celery_workers.settings.data, ignore_errors=True)
    return celery_workers


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A short real clip, then synthetic ones in which an object crosses a scene; the first of these has segments."""
    folder = tmp_path_factory.mktemp("clips")
    real = next(path for path in packaged_clips() if path.name == "bikes.mp4")
    long = draw_clip(folder / "long.mp4", 3, frames=400, options={"g": "50", "bf": "2"})
    return [real, long, *(draw_clip(folder / f"drawn {seed}.mp4", seed) for seed in range(3))]


def draw_clip(path: Path, seed: int, frames: int = 90, options: dict[str, str] | None = None) -> Path:
    """Write a video in which one object crosses a static scene back and forth."""
    scene, thing = texture(320, 480, seed), texture(110, 110, 100 + seed)
    ways = (90 + 3 * abs((k + 90) % 180 - 90) for k in range(frames))
    return write_video(path, (paste(scene, thing, (way, 130 + 20 * seed)) for way in ways), options=options)


@pytest.fixture
def clip(clips: list[Path]) -> Path:
    """A short synthetic clip."""
    return clips[-1]


def graph_sets(connection: Connection) -> dict[str, set[tuple[Any, ...]]]:
    """Return the whole graph without times as sets of tuples; `doubles` names the sets with duplicates."""
    queries = {
        "videos": "MATCH (n:Video) RETURN n.id, n.status, n.frames",
        "patches": "MATCH (v:Video)-[:HAS_PATCH]->(p:Patch) RETURN p.id, v.id, p.frame, p.x, p.y, p.w, p.h, p.role",
        "intra": "MATCH (a)-[e:INTRA_INSTANCE]->(b) RETURN a.id, b.id, e.track_length, e.confidence",
        "inter": "MATCH (a)-[e:INTER_INSTANCE]->(b) RETURN e.generation, a.id, b.id, e.distance",
        "parents": "MATCH (p)-[:IN_PARENT]->(c) RETURN c.generation, c.id, c.size, p.id",
        "children": "MATCH (p)-[:IN_CHILD]->(c) RETURN c.generation, c.id, p.id",
        "models": "MATCH (m:Model) RETURN m.id, m.step, m.generation",
        "jobs": "MATCH (j:Job) RETURN j.id, j.kind, j.state",
    }
    found: dict[str, set[tuple[Any, ...]]] = {}
    doubles = set()
    for name, query in queries.items():
        rows = [tuple(row.values()) for row in connection.read(query)]
        found[name] = set(rows)
        if len(rows) != len(found[name]):
            doubles.add((name,))
    return {**found, "doubles": doubles}


def assert_files_match(workshop: Workshop, connection: Connection) -> None:
    """Assert that exactly the ready videos have shards, and that no partial or segment files and jobs are left."""
    ready = sorted(row["id"] for row in connection.read("MATCH (v:Video {status: 'ready'}) RETURN v.id AS id"))
    assert workshop.shards.names("patches") == ready
    assert workshop.shards.names("frames") == ready
    folder = Path(workshop.settings.data)
    assert not [*folder.rglob("*.partial"), *folder.glob("segments/*/*")]
    assert not connection.read("MATCH (job:Job {kind: 'segment'}) RETURN job")
