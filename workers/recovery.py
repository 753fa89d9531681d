"""Recovery of lost jobs: unfinished (:Job) nodes whose worker or message is gone are queued again.

A job is lost when its worker died (SIGKILL, power cut) or Redis lost its message. Redis delivers the message of a dead
worker again only after hours (`visibility_timeout`). A message that is sent twice is harmless (`jobs.claim_job`).
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
    """Return the name of a job's owner: host, process id, start time of the process, and a token for this attempt."""
    return f"{socket.gethostname()}|{os.getpid()}|{psutil.Process().create_time():.0f}|{token}"


def requeue_lost(connection: Connection, redis_url: str) -> int:
    """Queue every lost job again; returns how many."""
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


def waiting_count(redis_url: str) -> dict[str, int]:
    """Count the messages that wait in each queue."""
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
