"""A name comes in; while the `with` block runs, nobody else who asks for that name gets in.

(:Lock {name, owner, expires})    one node a name; `expires` in server milliseconds is pushed on while the owner lives

A run that was killed on this machine is noticed by its process id and its lock taken over at once, and so is one that
ended here while the server was away; one that died on another machine holds it until the lease ends.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import psutil

from graph.connection import Connection
from graph.errors import Conflict, TransitiveError, Unavailable

_held: set[str] = set()  # owners of the locks this process holds: one it could not give back is nobody's
LEASE_S = 90  # a dead owner on another machine is in the way for so long at most

# (l:Lock) is locked by the first SET, so of two who ask at the same time the second sees the first's name
_ACQUIRE = """
MERGE (l:Lock {name: $name})
SET l.asked = timestamp()
WITH l WHERE l.owner IS NULL OR l.owner IN [$owner, $dead] OR l.expires < timestamp()
SET l.owner = $owner, l.expires = timestamp() + $lease
RETURN l.owner AS owner
"""
_OWNER = """
MATCH (l:Lock {name: $name})
RETURN l.owner AS owner
"""
_RENEW = """
MATCH (l:Lock {name: $name, owner: $owner})
SET l.expires = timestamp() + $lease
RETURN l.owner AS owner
"""
_RELEASE = """
MATCH (l:Lock {name: $name, owner: $owner})
DELETE l
"""


@dataclass(frozen=True)
class Lock:
    """A name that is ours for now; `lost` is set when somebody else took it after our lease had run out."""

    name: str
    owner: str
    lost: threading.Event = field(default_factory=threading.Event)


@contextmanager
def graph_lock(connection: Connection, name: str) -> Iterator[Lock]:
    """Hold the lock `name` for the block; raises `Conflict` at once when another run has it."""
    lock = Lock(name, f"{_process()}:{uuid4().hex}")
    _held.add(lock.owner)
    try:
        _acquire(connection, lock)
    except BaseException:
        _held.discard(lock.owner)
        raise
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(connection, lock, stop), name=f"lock-{name}", daemon=True)
    heart.start()
    try:
        yield lock
    finally:
        stop.set()
        heart.join()
        _held.discard(lock.owner)
        with suppress(Unavailable):  # what the block raised matters more; the lease ends by itself
            connection.write(_RELEASE, name=name, owner=lock.owner)


def _acquire(connection: Connection, lock: Lock) -> None:
    lease = LEASE_S * 1000
    dead = ""
    for _ in range(2):
        if connection.write(_ACQUIRE, name=lock.name, owner=lock.owner, dead=dead, lease=lease):
            return
        holders = connection.read(_OWNER, name=lock.name)
        holder = holders[0]["owner"] if holders else ""
        if holder and not _is_nobodys(holder):
            host, process = holder.split(":")[:2]
            raise Conflict(f"Another {lock.name} is running (process {process} on {host}). Wait for it, or cancel it.")
        dead = holder
    raise Conflict(f"Another {lock.name} started at the same moment. Try again when it is done.")


def _beat(connection: Connection, lock: Lock, stop: threading.Event) -> None:
    """Push the lease on until told to stop; an unreachable server is the main thread's to report."""
    while not stop.wait(LEASE_S / 3):
        try:
            if not connection.write(_RENEW, name=lock.name, owner=lock.owner, lease=LEASE_S * 1000):
                lock.lost.set()
                return
        except TransitiveError:
            continue


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{int(psutil.Process().create_time())}"


def _is_nobodys(owner: str) -> bool:
    """Say whether the owner was a process of this machine that is no more, or this one, which holds it no longer."""
    host, process, started = owner.split(":")[:3]
    if host != socket.gethostname():
        return False
    if owner.startswith(_process()):
        return owner not in _held
    try:
        return int(psutil.Process(int(process)).create_time()) != int(started)
    except psutil.NoSuchProcess:
        return True
