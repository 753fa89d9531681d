"""Tests of a job's life cycle on a real Neo4j: one job per request, one worker per job."""

import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graph import jobs
from graph.connection import Connection
from graph.errors import Cancelled, Conflict
from graph.jobs import get_job
from workers.progress import JobProgress

ARGUMENTS = {"recipe": "context", "seed": 0}


def open_(connection: Connection, identifier: str = "j1") -> bool:
    return jobs.open_job(connection, identifier, "train", "context (demo)", ARGUMENTS)[1]


def grow_old(connection: Connection, identifier: str = "j1") -> None:
    before = (datetime.now(UTC) - timedelta(seconds=2 * jobs.STALE_SECONDS)).isoformat(timespec="microseconds")
    connection.write("MATCH (j:Job {id: $id}) SET j.updated_at = $at", id=identifier, at=before)


def test_asking_twice_opens_one_job_and_sends_one_message(connection: Connection) -> None:
    assert [open_(connection), open_(connection)] == [True, False]
    assert connection.read("MATCH (j:Job) RETURN count(j) AS n")[0]["n"] == 1


def test_a_finished_job_asked_for_again_is_queued_anew(connection: Connection) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "w|1|1|a")
    jobs.finish_job(connection, "j1", "failed", reason="because")
    assert open_(connection)
    job = get_job(connection, "j1")
    assert (job.state, job.reason, job.finished_at) == ("queued", "", "")


def test_of_many_workers_with_the_same_message_one_runs_it(connection: Connection) -> None:
    open_(connection)

    def take(number: int) -> str:
        try:
            return "taken" if jobs.claim_job(connection, "j1", f"host|1|1|{number}") else "nothing"
        except BlockingIOError:
            return "busy"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(take, range(8)))
    assert outcomes == ["busy"] * 7 + ["taken"]


def test_a_claim_returns_the_arguments(connection: Connection) -> None:
    open_(connection)
    claimed = jobs.claim_job(connection, "j1", "host|1|1|a")
    assert claimed is not None
    assert claimed[1] == ARGUMENTS


def test_a_job_whose_heartbeat_stopped_is_taken_over_and_the_first_owner_changes_nothing(
    connection: Connection,
) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "host|1|1|first")
    grow_old(connection)
    assert jobs.claim_job(connection, "j1", "host|2|1|second")
    jobs.finish_job(connection, "j1", "failed", owner="host|1|1|first", reason="late news")
    assert get_job(connection, "j1").state == "running"
    assert not jobs.beat(connection, "j1", "host|1|1|first", "mine", 1, 2, "frames")
    assert jobs.beat(connection, "j1", "host|2|1|second", "mine", 1, 2, "frames")


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_message_of_a_finished_job_does_nothing(connection: Connection, state: str) -> None:
    open_(connection)
    jobs.finish_job(connection, "j1", state, result="v")
    assert jobs.claim_job(connection, "j1", "host|1|1|a") is None
    assert get_job(connection, "j1").state == state


def test_an_owner_that_stopped_is_replaced_before_its_heartbeat_is_stale(connection: Connection) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "host|1|1|first")
    with pytest.raises(BlockingIOError):
        jobs.claim_job(connection, "j1", "host|1|1|second", previous="host|1|1|another")
    assert jobs.claim_job(connection, "j1", "host|1|1|second", previous="host|1|1|first")
    with pytest.raises(BlockingIOError):  # a second message cannot use the same owner again
        jobs.claim_job(connection, "j1", "host|1|1|third", previous="host|1|1|first")


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_cancelling_an_ended_job_changes_nothing(connection: Connection, state: Any) -> None:
    open_(connection)
    jobs.finish_job(connection, "j1", state, result="v")
    before = get_job(connection, "j1")
    jobs.request_cancels(connection, ["j1"])
    with contextlib.suppress(Conflict):
        jobs.request_cancel(connection, "j1")
    assert get_job(connection, "j1") == before


def test_cancelling_stops_a_queued_job_at_once_and_a_running_one_at_its_next_report(connection: Connection) -> None:
    for name in ("waiting", "running"):
        open_(connection, name)
    jobs.claim_job(connection, "running", "host|1|1|a")
    jobs.request_cancels(connection, ["waiting", "running"])
    states = {name: job.state for name, job in jobs.get_jobs(connection, ["waiting", "running"]).items()}
    assert states == {"waiting": "cancelled", "running": "cancelling"}
    stopped = pytest.raises(Cancelled, match="Cancelled on request")
    with JobProgress(connection, "running", "host|1|1|a") as progress, stopped:
        progress("mine", 1, 10, "frames")
    assert jobs.claim_job(connection, "waiting", "host|1|1|b") is None


def test_progress_is_written_to_the_node(connection: Connection) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "host|1|1|a")
    with JobProgress(connection, "j1", "host|1|1|a") as progress:
        for done in range(1, 101):
            progress("mine", done, 100, "frames")
        progress.flush()
    job = get_job(connection, "j1")
    assert (job.stage, job.done, job.total, job.unit) == ("mine", 100, 100, "frames")


def test_the_numbers_of_a_report_are_no_part_of_its_stage_and_the_log_has_a_line_a_stage(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "host|1|1|a")
    with caplog.at_level(logging.INFO, "workers.progress"), JobProgress(connection, "j1", "host|1|1|a") as progress:
        progress("sampling", 0, 0, "")
        for step in range(1, 40):
            progress(f"train transitive · loss {1 / step:.3f}", step, 40, "steps")
    assert set(progress.clock.seconds) == {"sampling", "train transitive"}
    assert caplog.messages == ["job j1: sampling", "job j1: train transitive · loss 1.000, 1 of 40 steps"]


def test_handing_over_keeps_the_job_open_with_new_arguments(connection: Connection) -> None:
    open_(connection)
    jobs.claim_job(connection, "j1", "host|1|1|a")
    jobs.hand_over_job(connection, "j1", "host|1|1|a", {"features": "m"})
    claimed = jobs.claim_job(connection, "j1", "host|1|1|b")
    assert claimed is not None
    assert claimed[1] == {"features": "m"}
