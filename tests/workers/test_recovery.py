"""Tests of lost jobs on a real Neo4j and Redis: jobs of a dead worker or an emptied Redis are queued again, once."""

import subprocess
import sys

import psutil
import pytest
import redis

from graph import jobs
from graph.connection import Connection
from graph.errors import Unavailable
from graph.jobs import get_job
from tests.workers.test_job_lifecycle import grow_old
from workers import queue, recovery
from workers.requests import TrainRequest


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def dead_owner() -> str:
    """Return the name of an owner on this machine whose process has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = psutil.Process(child.pid).create_time()
    child.communicate(b"\n")
    return f"{recovery.owner_name('x').split('|')[0]}|{child.pid}|{born:.0f}|token"


def submit(connection: Connection, redis_url: str, recipe: str = "context") -> str:
    return queue.submit(connection, redis_url, TrainRequest(recipe)).id


def test_a_submitted_job_waits_in_its_own_queue_only(
    connection: Connection, redis_url: str, client: redis.Redis
) -> None:
    submit(connection, redis_url)
    assert recovery.waiting_count(redis_url) == {"mining": 0, "graph": 0, "torch": 1}


def test_a_job_of_a_dead_process_is_queued_again_at_once(
    connection: Connection, redis_url: str, client: redis.Redis
) -> None:
    job = submit(connection, redis_url)
    client.flushall()
    jobs.claim_job(connection, job, dead_owner())
    assert recovery.requeue_lost(connection, redis_url) == 1
    assert get_job(connection, job).state == "queued"
    assert recovery.waiting_count(redis_url)["torch"] == 1


def test_a_job_of_a_living_process_is_left_alone(connection: Connection, redis_url: str, client: redis.Redis) -> None:
    job = submit(connection, redis_url)
    client.flushall()
    jobs.claim_job(connection, job, recovery.owner_name("token"))
    assert recovery.requeue_lost(connection, redis_url) == 0
    assert get_job(connection, job).state == "running"


def test_a_worker_that_slept_too_long_loses_its_job_and_does_not_close_it(
    connection: Connection, redis_url: str, client: redis.Redis
) -> None:
    """After a suspended machine wakes up, its job is given to another worker, and the old worker stops."""
    job, owner = submit(connection, redis_url), recovery.owner_name("token")
    client.flushall()
    jobs.claim_job(connection, job, owner)
    grow_old(connection, job)
    assert recovery.requeue_lost(connection, redis_url) == 1
    assert not jobs.beat(connection, job, owner, "train", 1, 2, "steps")
    jobs.finish_job(connection, job, "cancelled", owner=owner)
    assert get_job(connection, job).state == "queued"
    assert jobs.claim_job(connection, job, recovery.owner_name("another")) is not None


def test_what_an_emptied_redis_lost_is_sent_again_once(
    connection: Connection, redis_url: str, client: redis.Redis
) -> None:
    submitted = [submit(connection, redis_url, recipe) for recipe in ("context", "tracking")]
    client.flushall()
    for job in submitted:
        grow_old(connection, job)
    assert recovery.requeue_lost(connection, redis_url) == 2
    assert recovery.requeue_lost(connection, redis_url) == 0
    assert recovery.waiting_count(redis_url)["torch"] == 2


def test_a_job_cancelled_while_its_worker_died_ends_cancelled(
    connection: Connection, redis_url: str, client: redis.Redis
) -> None:
    job = submit(connection, redis_url)
    client.flushall()
    jobs.claim_job(connection, job, dead_owner())
    jobs.request_cancels(connection, [job])
    assert recovery.requeue_lost(connection, redis_url) == 0
    assert get_job(connection, job).state == "cancelled"


def test_without_redis_nothing_stays_queued_and_the_password_is_not_told(connection: Connection) -> None:
    with pytest.raises(Unavailable) as refused:
        submit(connection, "redis://:secret@127.0.0.1:1/0")
    assert "127.0.0.1:1" in str(refused.value)
    assert "secret" not in str(refused.value)
    states = [row["state"] for row in connection.read("MATCH (j:Job) RETURN j.state AS state")]
    assert states == ["failed"]
