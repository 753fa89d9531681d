"""The detached processes of a local stack: workers and the API, each with a name, a log and children.

`graph.server.detached_process` starts and finds a process. This module gives it its files below the home folder
(HOME/run/NAME.json, HOME/logs/NAME.log, the previous log NAME.log.1, temporary files in HOME/tmp/NAME) and stops it
together with its children.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import psutil

from graph.server.detached_process import LocalProcess, empty_folder, make_folders, tail, write_private

_POLL_SECONDS = 0.05
# The path of a Unix socket has at most 104 bytes on macOS and 108 on Linux. Python's multiprocessing makes sockets in
# the temporary folder and adds 32 bytes.
_LONGEST_TEMPORARY = 70


class StackProcess:
    """One worker or the API of a home."""

    def __init__(self, home: Path, name: str) -> None:
        """Name a process of a home; nothing is started yet."""
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._home = home
        self._state = home / "run" / f"{name}.json"
        self._temporary = home / "tmp" / name
        self._local = LocalProcess(self._state)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], port: int = 0) -> None:
        """Start `python ARGUMENTS` in its own session, so that Ctrl-C and a closed terminal do not reach it."""
        told = _fingerprint(environment)
        make_folders(self.log.parent, self._state.parent)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        if len(os.fsencode(self._temporary)) <= _LONGEST_TEMPORARY:
            empty_folder(self._temporary)  # a killed process leaves its temporary files
            environment = {**environment, "TMPDIR": str(self._temporary)}
        self._local.start([sys.executable, *arguments], self.log, environment, self._home, port=port, told=told)

    @property
    def pid(self) -> int:
        """The process id; 0 where it does not run."""
        process = self._local.process()
        return process.pid if process else 0

    @property
    def port(self) -> int:
        """The port that it was started with; 0 without one."""
        return int(self._local.remembered().get("port", 0))

    def running(self) -> bool:
        """Return whether the process is running."""
        return self._local.process() is not None

    def listens(self) -> bool:
        """Return whether the process that we started listens on its port."""
        return self._local.listens_on(self.port)

    def knows(self, environment: Mapping[str, str]) -> bool:
        """Return whether the process was started with this environment; the address of a server may have changed."""
        return self._local.remembered().get("told") == _fingerprint(environment)

    def died(self) -> bool:
        """Return whether the process ended without a call of `stop`."""
        return "pid" in self._local.remembered() and not self.running()

    def stop(self, patience: float) -> None:
        """End the process and its children: SIGTERM, then SIGKILL after `patience` seconds."""
        process = self._local.process()
        if process is not None:
            family = [process, *_children(process)]
            for number in (signal.SIGTERM, signal.SIGKILL):
                _send(process, number)
                family = _still_alive(family, patience)
                if not family:
                    break
            for orphan in family:
                _send(orphan, signal.SIGKILL)
        if self.port:
            write_private(self._state, json.dumps({"port": self.port}))  # the next start uses the same port
        else:
            self._state.unlink(missing_ok=True)

    def last_words(self) -> str:
        """Return the last lines of its log, for an error message."""
        return tail(self.log, lines=3)


def _fingerprint(environment: Mapping[str, str]) -> int:
    return crc32("\n".join(f"{name}={value}" for name, value in sorted(environment.items())).encode())


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _still_alive(family: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait for processes to end; returns those that still run."""
    end = time.monotonic() + patience
    alive = [one for one in family if _runs(one)]
    while alive and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        alive = [one for one in alive if _runs(one)]
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
