"""The local stack of one home: Neo4j, Redis, three Celery workers and the API.

If the settings name a server (NEO4J_URI, REDIS_URL), that server is used and no local one is downloaded or started. If
workers answer on such a Redis, no local workers are started. `up` is idempotent: it starts only the processes that do
not run. Two homes can run side by side: if a port is in use, the next free port is used. A server counts as started
only if the process that we started listens on its port.
"""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import psutil
from pydantic import SecretStr

from api.cli.processes import StackProcess
from api.keys import refuse_open_door
from graph.connection import Connection
from graph.errors import Unavailable
from graph.records import Progress, no_progress
from graph.schema import apply_schema
from graph.server.detached_process import file_lock, free_port, reachable
from graph.server.neo4j import Neo4jServer
from graph.settings import Settings
from workers import queue, recovery
from workers.redis_server import RedisServer

_PORT_SECONDS = 3.0  # the port of a killed server is free after milliseconds, or after a second on a busy machine
_STARTS = 3  # attempts; another program may take the port between our check and the server's start
_PATIENCE_SECONDS = 90.0  # two slow cores import torch, OpenCV and Celery in less than half of this time
# Time between SIGTERM and SIGKILL. The next worker repeats an interrupted job; a training resumes from its
# checkpoint. SIGQUIT is not sent: Celery raises it inside the running task, which then counts as failed.
_END_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The addresses of a stack; an empty address means that the server does not run."""

    api: str
    neo4j_bolt: str
    neo4j_browser: str
    neo4j_password_file: str
    redis: bool
    workers: dict[str, bool]


class Stack:
    """The local stack of one home."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the stack of these settings without starting it."""
        self.settings = settings
        self.home = settings.home.absolute()
        self._neo4j = Neo4jServer(
            self.home, settings.cache.expanduser(), settings.neo4j_bolt_port, settings.neo4j_http_port, settings.host
        )
        self._redis = RedisServer(self.home, settings.cache.expanduser(), settings.redis_port, settings.host)
        self.workers = {name: StackProcess(self.home, f"worker-{name}") for name in queue.QUEUES}
        self.api = StackProcess(self.home, "api")

    def up(self, progress: Progress = no_progress, api: bool = True) -> Settings:
        """Start the processes that do not run, and return the settings with all addresses.

        The servers and the API answer when this returns; workers may still be starting. With `api=False`, the API is
        not started.
        """
        with self._locked():
            found = self._start_servers(progress)
            self._start_workers(found, progress)
            if api:
                self._start_api(found, progress)
        return found

    @property
    def api_url(self) -> str:
        """The address of this home's API; valid after its first start."""
        return f"http://{reachable(self.settings.host)}:{self.api.port}"

    @property
    def pages(self) -> str:
        """The base address of the patches' pages: that of the running API, unless a public address is set."""
        running = not self.settings.public_url and self.api.running()
        return f"{self.api_url}/browse/patches" if running else self.settings.pages

    def addresses(self) -> Settings:
        """Return the settings with the addresses of the running servers; the address of a stopped server is empty."""
        changes: dict[str, Any] = {}
        if not self.settings.neo4j_uri and self._neo4j.running():
            details = self._neo4j.details()
            changes |= {"neo4j_uri": details.bolt_uri, "neo4j_user": details.user}
            changes["neo4j_password"] = SecretStr(details.password)
        if not self.settings.redis_url.get_secret_value() and self._redis.running():
            changes["redis_url"] = SecretStr(self._redis.url())
        return self.settings.model_copy(update=changes)

    def down(self, progress: Progress = no_progress) -> None:
        """Stop all processes of this home; the data is kept. Unfinished jobs resume after the next `up`."""
        with self._locked():
            parts = [self.api, *self.workers.values()]
            total = len(parts) + 2
            progress("stopping", 0, total, "parts")
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda part: part.stop(_END_SECONDS), parts))
                progress("stopping", len(parts), total, "parts")
                list(pool.map(lambda server: server.stop(), (self._redis, self._neo4j)))
            progress("stopping", total, total, "parts")

    @property
    def never_ran(self) -> bool:
        """Whether this home has no graph yet: its Neo4j was never started, and the settings name none."""
        return not self.settings.neo4j_uri and not self._neo4j.has_graph

    def load(self, tables: Path, progress: Progress = no_progress) -> None:
        """Stop everything and replace the local graph by exported tables (see `Neo4jServer.load`)."""
        self.down(progress)
        self._neo4j.load(tables, progress)

    def status(self) -> StackStatus:
        """Return which servers run, and their addresses."""
        details = self._neo4j.details() if not self.settings.neo4j_uri and self._neo4j.running() else None
        return StackStatus(
            api=self.api_url if self.api.running() else "",
            neo4j_bolt=self.settings.neo4j_uri or (details.bolt_uri if details else ""),
            neo4j_browser=details.browser_url if details else "",
            neo4j_password_file=str(details.password_file) if details else "",
            redis=bool(self.settings.redis_url.get_secret_value()) or self._redis.running(),
            workers={name: worker.running() for name, worker in self.workers.items()},
        )

    def restart_dead_workers(self, found: Settings) -> list[str]:
        """Restart the local workers that died; returns their names."""
        dead = [name for name, worker in self.workers.items() if worker.died()]
        if dead:
            with self._locked():
                for name in dead:
                    self._start_worker(name, found)
        return dead

    def _start_servers(self, progress: Progress) -> Settings:
        if not self.settings.neo4j_uri:
            self._neo4j.start(progress)
        if not self.settings.redis_url.get_secret_value():
            self._redis.start(progress)
        found = self.addresses()
        with Connection(found.neo4j_uri, found.neo4j_user, found.neo4j_password.get_secret_value()) as connection:
            connection.verify()
            apply_schema(connection)
        recovery.waiting_count(
            found.redis_url.get_secret_value()
        )  # raises for a wrong address, before workers are stopped
        return found

    def _start_workers(self, found: Settings, progress: Progress) -> None:
        environment = self._environment(found)
        for worker in self.workers.values():
            if worker.running() and not worker.knows(environment):  # the address of a server has changed
                worker.stop(_END_SECONDS)
        missing = [name for name, worker in self.workers.items() if not worker.running()]
        if missing and self.settings.redis_url.get_secret_value() and self._served_elsewhere(found):
            return
        for number, name in enumerate(missing):
            progress("starting workers", number, len(missing), "workers")
            self._start_worker(name, found)

    def _start_worker(self, name: str, found: Settings) -> None:
        size = (found.mining_workers or psutil.cpu_count() or 1) if name == "mining" else 1
        pool = ["--pool", "solo"] if name == "torch" else ["--pool", "threads", "--concurrency", str(size)]
        node = f"{name}@{socket.gethostname()}-{crc32(str(self.home).encode()):08x}"
        command = ["-m", "celery", "-A", "workers.tasks", "worker", "-Q", name, "-n", node, *pool]
        command += ["--without-gossip", "--without-mingle", "--loglevel", found.log_level]
        self.workers[name].start(command, self._environment(found))

    def _served_elsewhere(self, found: Settings) -> bool:
        """Return whether workers of another machine or container answer on this Redis."""
        try:
            app = queue.celery_app(found.redis_url.get_secret_value())
            return bool(app.control.inspect(timeout=2).ping())
        except Exception as error:
            raise queue.redis_unavailable(found.redis_url.get_secret_value(), error) from error

    def _start_api(self, found: Settings, progress: Progress) -> None:
        environment = self._environment(found)
        if self.api.running() and self.api.knows(environment):
            return
        refuse_open_door(found)
        self.api.stop(patience=5)
        progress("starting the API", 0, 1, "servers")
        for attempt in range(1, _STARTS + 1):
            port = self._api_port(found)
            self.api.start(["-m", "api.http.serve", "--port", str(port)], environment, port)
            if self._api_answers():
                progress("starting the API", 1, 1, "servers")
                return
            if attempt == _STARTS or "already in use" not in self.api.last_words():  # another home took the port
                reason = self.api.last_words() or f"it did not answer within {_PATIENCE_SECONDS:.0f} s"
                raise Unavailable(f"The API did not start: {reason}. Its log is {self.api.log}.")

    def _api_port(self, found: Settings) -> int:
        """Return the port of the last start if it is free, else the preferred one or the next free one.

        The threads of a killed server may hold its port for a moment after the process counts as ended.
        """
        before = self.api.port
        if not before:
            return free_port(found.host, [found.api_port])
        end = time.monotonic() + _PORT_SECONDS
        while free_port(found.host, [before]) != before and time.monotonic() < end:
            time.sleep(0.1)
        return free_port(found.host, [before, found.api_port])

    def _api_answers(self) -> bool:
        """Wait for the API; False when it ended or did not answer in time."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end and self.api.running():
            try:
                if self.api.listens() and httpx.get(f"{self.api_url}/healthz", timeout=5).is_success:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return False

    def _environment(self, found: Settings) -> dict[str, str]:
        """Return the environment variables with the addresses, for the processes of this stack."""
        return {
            "TRANSITIVE_HOME": str(self.home),
            "NEO4J_URI": found.neo4j_uri,
            "NEO4J_USER": found.neo4j_user,
            "NEO4J_PASSWORD": found.neo4j_password.get_secret_value(),
            "REDIS_URL": found.redis_url.get_secret_value(),
            "PYTHONUNBUFFERED": "1",
        }

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold this home's lock, so that one command at a time starts or stops its processes."""
        with file_lock(self.home / "run"):
            self.home.chmod(0o700)  # only this user can read uploads, data and secrets
            ignore = self.home / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            yield
