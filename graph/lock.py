"""A lock stored in the graph, which at most one process on any machine holds.

(:Lock {name, owner, expires})    one node per name; `expires` is in milliseconds of the server's clock

The owner renews the lease while it lives. The lock of a process that died on this machine is taken over at once. So is
a lock that this process could not release because the server did not answer. The lock of a process that died on
another machine expires with its lease.
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
from graph.processes import find_process

_held: set[str] = set()  # owners of the locks that this process holds, without those it failed to release
LEASE_S = 90  # longest time that a dead owner on another machine blocks others

# The first SET locks (l:Lock), so the second of two concurrent requests sees the first one's owner.
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
    """A lock that this process holds; `lost` is set when another process took it after the lease expired."""

    name: str
    owner: str
    lost: threading.Event = field(default_factory=threading.Event)


@contextmanager
def graph_lock(connection: Connection, name: str) -> Iterator[Lock]:
    """Hold the lock `name` during the block; raises `Conflict` immediately when another process holds it."""
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
        with suppress(Unavailable):  # do not hide the block's exception; the lease expires anyway
            connection.write(_RELEASE, name=name, owner=lock.owner)


def _acquire(connection: Connection, lock: Lock) -> None:
    lease = LEASE_S * 1000
    dead = ""
    for _ in range(2):
        if connection.write(_ACQUIRE, name=lock.name, owner=lock.owner, dead=dead, lease=lease):
            return
        holders = connection.read(_OWNER, name=lock.name)
        holder = holders[0]["owner"] if holders else ""
        if holder and not _is_gone(holder):
            host, process = holder.split(":")[:2]
            raise Conflict(f"Another {lock.name} is running (process {process} on {host}). Wait for it or cancel it.")
        dead = holder
    raise Conflict(f"Another {lock.name} started at the same time. Try again when it is done.")


def _beat(connection: Connection, lock: Lock, stop: threading.Event) -> None:
    """Renew the lease until `stop` is set; the main thread reports an unreachable server."""
    while not stop.wait(LEASE_S / 3):
        try:
            if not connection.write(_RENEW, name=lock.name, owner=lock.owner, lease=LEASE_S * 1000):
                lock.lost.set()
                return
        except TransitiveError:
            continue


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{int(psutil.Process().create_time())}"


def _is_gone(owner: str) -> bool:
    """Return whether the owner is an ended process of this machine, or this process, which no longer holds the lock."""
    host, process, started = owner.split(":")[:3]
    if host != socket.gethostname():
        return False
    if owner.startswith(_process()):
        return owner not in _held
    return find_process(int(process), int(started)) is None
