"""A home folder and a command come in, a server that outlives us and can be found again goes out.

What the two local servers (Neo4j here, Redis in workers) have in common: a port that moves when it is taken, a password
only the owner can read, a process of its own session whose number is remembered with the time it was born (numbers are
used again), and a lock so that two commands do not start one server twice.
"""

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil

from graph.errors import StorageError, Unavailable

_POLL_S = 0.1


@contextmanager
def file_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a server's folder; a second process waits until the first is through (or dead)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def secret(path: Path) -> str:
    """Return the password kept in `path`, made up at the first call; only the owner can ever read the file."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(20) + "\n")  # no "-" in front, which a command would take for an option
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file only the owner can read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    partial.replace(path)


def free_port(host: str, preferred: Sequence[int], taken: Sequence[int] = ()) -> int:
    """Return the first free port: one of `preferred` in their order, else the next above the last one (0: any).

    Raises `Unavailable` when a thousand ports in a row are in use.
    """
    wanted = [port for port in preferred if port]
    start = wanted[-1] + 1 if wanted else 0
    for port in [*wanted, *(range(start, min(start + 1000, 65536)) if start else [0])]:
        if port in taken:
            continue
        found = _bind(host, port)
        if found:
            return found
    raise Unavailable(f"No free port on {host} from {start} on. Stop what uses them, or set another preferred port.")


def _bind(host: str, port: int) -> int:
    """Return the port when a server could listen on it (any free one for 0), else 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Say whether something listens there."""
    try:
        with socket.create_connection((reachable(host), port), timeout=1):
            return True
    except OSError:
        return False


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host` (which may be all of them)."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


class LocalProcess:
    """One server's process: `state` (JSON) remembers its number, birth and whatever else its owner wants to keep."""

    def __init__(self, state: Path) -> None:
        """Look after the process remembered in `state`; the file need not be there."""
        self._state = state

    def remembered(self) -> dict[str, int | float]:
        """Return what was remembered at the last start (also of a process that is gone), or nothing."""
        try:
            found: dict[str, int | float] = json.loads(self._state.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it is gone or its number belongs to another one now."""
        state = self.remembered()
        if "pid" not in state:
            return None
        try:
            process = psutil.Process(int(state["pid"]))
            reused = abs(process.create_time() - state["born"]) >= 1.0
            dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        if dead and not reused:
            with suppress(ChildProcessError):  # not our child: its parent reaps it
                os.waitpid(process.pid, os.WNOHANG)
        return None if dead or reused else process

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path, **remember: int
    ) -> None:
        """Start a process in a session of its own (Ctrl-C here does not reach it); its output goes to `log`, anew."""
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
        child.returncode = 0  # it is to outlive us: keeps Popen from warning about a child that still runs

    def wait_until(self, ready: Callable[[], bool], seconds: float, tick: Callable[[], None]) -> bool:
        """Wait for `ready`; False when the process ended or `seconds` went by first. `tick` is called all the while."""
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
        """Ask the process to end (SIGTERM) and wait until it has; after `seconds` it is killed."""
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
    """Return the last lines of a log for an error's text, from byte `start` on, without the lines of stack traces."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode(errors="replace")
    said = [line for line in text.splitlines() if line and not line[0].isspace()]
    return " | ".join(said[-lines:])


def make_folders(*folders: Path) -> None:
    """Create folders only the owner can look into; raises `StorageError` when that is not possible."""
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be created: {error.strerror}. TRANSITIVE_HOME names another place."
            ) from error
