"""Start, find and stop a detached server process.

The two local servers (Neo4j in this room, Redis in `workers`) share these parts: the choice of a free port, a password
file that only the owner can read, and a lock so that two commands do not start the same server twice. A process runs in
its own session and is found again by its process id and start time.

Two homes that start at the same time can choose the same port. A server therefore counts as ours only when the process
that we started listens on its port.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
from filelock import FileLock

from graph.atomic_write import PRIVATE, atomic_write
from graph.errors import StorageError, Unavailable
from graph.processes import find_process

_POLL_S = 0.1


@contextmanager
def file_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a server's folder; other processes wait until it is released or its holder ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        yield


def secret(path: Path) -> str:
    """Return the password in `path`, which is generated at the first call; only the owner can read the file."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(20) + "\n")  # hexadecimal: a leading "-" would look like an option
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Replace the content of a file that only the owner can read; raises `StorageError`."""
    atomic_write(path, text, PRIVATE)


def free_port(host: str, preferred: Sequence[int], taken: Sequence[int] = ()) -> int:
    """Return the first free port of `preferred`, or the next free one above the last of them.

    Ports in `taken` and zeros in `preferred` are skipped; without a preferred port the system chooses one. Raises
    `Unavailable` when a thousand consecutive ports are in use.
    """
    wanted = [port for port in preferred if port]
    start = wanted[-1] + 1 if wanted else 0
    for port in [*wanted, *(range(start, min(start + 1000, 65536)) if start else [0])]:
        if port in taken:
            continue
        found = _bind(host, port)
        if found:
            return found
    raise Unavailable(
        f"No port on {host} is free from {start} on. Stop the programs that use them, or set another port."
    )


def _bind(host: str, port: int) -> int:
    """Return the port if a server can listen on it, else 0; for port 0, return any free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT counts as free
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`, e.g. on all interfaces."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


class LocalProcess:
    """A detached server process; the JSON file `state` stores its process id, start time and its owner's numbers."""

    def __init__(self, state: Path) -> None:
        """Manage the process stored in `state`; the file need not exist."""
        self._state = state

    def remembered(self) -> dict[str, int | float]:
        """Return what the last start stored, even if that process has ended; {} before the first start."""
        try:
            found: dict[str, int | float] = json.loads(self._state.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it has ended."""
        state = self.remembered()
        if "pid" not in state:
            return None
        return find_process(int(state["pid"]), state["born"])

    def listens_on(self, *ports: int) -> bool:
        """Return whether the process itself listens on these ports, and not another server."""
        process = self.process()
        if process is None:
            return False
        try:
            found = {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
        except psutil.Error:  # it has just ended
            return False
        return found.issuperset(ports)

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path, **remember: int
    ) -> None:
        """Start a process in its own session, so Ctrl-C does not reach it; its output replaces the file `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        born = psutil.Process(child.pid).create_time()
        write_private(self._state, json.dumps({"pid": child.pid, "born": born, **remember}))
        child.returncode = 0  # the process outlives this one; this stops Popen's warning about a running child

    def wait_until(self, ready: Callable[[], bool], seconds: float, tick: Callable[[], None]) -> bool:
        """Wait until `ready` returns true, calling `tick`; returns False if the process ends or `seconds` pass."""
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            if ready():
                return True
            if self.process() is None:
                return False
            tick()
            sleep(_POLL_S)
        return False

    def stop(self, seconds: float) -> None:
        """Send SIGTERM and wait until the process ends; kill it after `seconds`."""
        process = self.process()
        if process is None:
            return
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=seconds)
        except psutil.NoSuchProcess:
            return


def tail(log: Path, lines: int = 6, start: int = 0) -> str:
    """Return the last lines of a log after byte `start`, without stack traces, for an error message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode(errors="replace")
    said = [line for line in text.splitlines() if line and not line[0].isspace()]
    return " | ".join(said[-lines:])


def empty_folder(folder: Path) -> None:
    """Create a folder that only the owner can read, or delete its content; raises `StorageError`."""
    shutil.rmtree(folder, ignore_errors=True)  # what cannot be deleted now is deleted by the next start
    make_folders(folder)


def make_folders(*folders: Path) -> None:
    """Create folders that only the owner can read; raises `StorageError`."""
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be created: {error.strerror}. Set TRANSITIVE_HOME to another folder."
            ) from error
