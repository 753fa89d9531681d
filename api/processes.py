"""From a command line to a detached process of this home: started, found again, stopped; its words in HOME/logs/NAME.log.

HOME/run/NAME.json holds the process id and the time the process was born, so that an id used again by the system is
never taken for ours, and whatever else must be known to reach it (a port).
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

_STARTED: dict[int, "subprocess.Popen[bytes]"] = {}  # children of this very process, to be collected when they end


class LocalProcess:
    """One detached process, named within its home."""

    def __init__(self, home: Path, name: str) -> None:
        """Speak of process `name` of `home`; nothing happens yet."""
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._record = home / "run" / f"{name}.json"

    def start(self, command: Sequence[str], environment: Mapping[str, str], **facts: Any) -> None:
        """Start it in its own session, so that Ctrl-C and a closed terminal do not reach it; keep `facts` beside."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=dict(environment),
            )
        record = {"pid": child.pid, "born": psutil.Process(child.pid).create_time(), **facts}
        partial = self._record.with_suffix(".partial")
        partial.write_text(json.dumps(record))
        partial.replace(self._record)
        _STARTED[child.pid] = child

    def facts(self) -> dict[str, Any]:
        """Read what was kept at the start; empty when it was never started."""
        try:
            found: dict[str, Any] = json.loads(self._record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def process(self) -> psutil.Process | None:
        """Find the running process."""
        facts = self.facts()
        if not facts:
            return None
        try:
            process = psutil.Process(facts["pid"])
            same = abs(process.create_time() - facts["born"]) < 1
        except psutil.NoSuchProcess:
            return None
        return process if same and _alive(process) else None

    def running(self) -> bool:
        """Say whether it runs."""
        return self.process() is not None

    def stop(self, patience: float, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL)) -> None:
        """Send the signals one after the other, `patience` seconds apart, until it and its children are gone."""
        process = self.process()
        if process is not None:
            family = [process, *_children(process)]
            for number in signals:
                _send(process, number)
                family = _wait(family, patience)
                if not family:
                    break
            for orphan in family:
                _send(orphan, signal.SIGKILL)
        self._record.unlink(missing_ok=True)

    def last_words(self, lines: int = 3) -> str:
        """Return the last lines of its log, for an error message."""
        if not self.log.is_file():
            return ""
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-lines:])


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


def _wait(family: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait for processes to end; returns those that still run."""
    end = time.monotonic() + patience
    alive = [one for one in family if _alive(one)]
    while alive and time.monotonic() < end:
        time.sleep(0.05)
        alive = [one for one in alive if _alive(one)]
    return alive


def _alive(process: psutil.Process) -> bool:
    """Say whether it still runs; one of our own children is collected first, so that it is no zombie."""
    child = _STARTED.get(process.pid)
    if child is not None and child.poll() is not None:
        return False
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
