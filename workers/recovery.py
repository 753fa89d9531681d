"""Recovery of lost jobs: queues unfinished jobs again whose worker died or whose message was lost.

A job is lost when its worker was killed (SIGKILL, power cut) or Redis lost its message. Redis redelivers the message of
a dead worker only after hours (`visibility_timeout`). A repeated message is harmless (`jobs.claim_job`).
"""

import json
import os
import socket

import psutil
import redis

from graph import jobs
from graph.connection import Connection
from graph.processes import find_process
from workers import queue


def owner_name(token: str) -> str:
    """Return the name of a job's owner: host, process id, the process's start time, and a token for this attempt."""
    return f"{socket.gethostname()}|{os.getpid()}|{psutil.Process().create_time():.0f}|{token}"


def requeue_lost(connection: Connection, redis_url: str) -> int:
    """Queue every lost job again; returns their number. Raises `Unavailable`."""
    waiting = _waiting_ids(redis_url)
    sent = 0
    for entry in jobs.unfinished_jobs(connection):
        dead = entry.job.state != "queued" and (entry.stale or _is_dead(entry.owner))
        if dead:
            jobs.orphan_job(connection, entry.job.id)
        lost = (dead and entry.job.state == "running") or (entry.job.state == "queued" and entry.stale)
        if lost and entry.job.id not in waiting:
            queue.send(redis_url, entry.job.kind, queue.FIRST_QUEUE[entry.job.kind], entry.job.id)
            sent += 1
    return sent


def queues_at_work(connection: Connection) -> set[str]:
    """Return the queues in which a live worker runs a job; a busy worker may not answer."""
    return {
        queue.FIRST_QUEUE[entry.job.kind]
        for entry in jobs.unfinished_jobs(connection)
        if entry.job.state == "running" and not (entry.stale or _is_dead(entry.owner))
    }


def waiting_count(redis_url: str) -> dict[str, int]:
    """Return the number of waiting messages in each queue; raises `Unavailable`."""
    try:
        client = redis.Redis.from_url(redis_url, socket_connect_timeout=5)
        with client:
            return {name: int(client.llen(name)) for name in queue.QUEUES}
    except redis.RedisError as error:
        raise queue.redis_unavailable(redis_url, error) from error


def _waiting_ids(redis_url: str) -> set[str]:
    try:
        client = redis.Redis.from_url(redis_url, socket_connect_timeout=5)
        with client:
            messages = [message for name in queue.QUEUES for message in client.lrange(name, 0, -1)]
    except redis.RedisError as error:
        raise queue.redis_unavailable(redis_url, error) from error
    return {json.loads(message)["headers"]["id"] for message in messages}


def _is_dead(owner: str) -> bool:
    """Return whether the owner is an ended process of this machine; False for an owner on another machine."""
    host, pid, born, _ = owner.split("|") if owner.count("|") == 3 else ("", "", "", "")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return find_process(int(pid), float(born)) is None
