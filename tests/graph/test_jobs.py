"""Tests of jobs: paging, and the effect of cancellation on each state."""

import pytest

from graph.errors import Conflict, NotFound
from graph.jobs import get_job, list_jobs, request_cancel
from graph.records import Job
from tests.graph.written_jobs import create_job


def test_a_job_comes_back_as_it_was_written(connection):
    create_job(connection, Job("j", "train", state="running", created_at="2026-01-01"))
    job = get_job(connection, "j")
    assert (job.id, job.kind, job.state, job.created_at, job.done) == ("j", "train", "running", "2026-01-01", 0)


@pytest.mark.parametrize(
    ("before", "after"), [("queued", "cancelled"), ("running", "cancelling"), ("cancelling", "cancelling")]
)
def test_a_request_to_stop_moves_each_state_on(connection, before, after):
    create_job(connection, Job("j", "train", state=before))
    assert request_cancel(connection, "j").state == after
    job = get_job(connection, "j")
    assert job.state == after
    assert bool(job.finished_at) == (after == "cancelled")
    assert request_cancel(connection, "j").state == after


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_finished_job_cannot_be_cancelled(connection, state):
    create_job(connection, Job("j", "train", state=state))
    with pytest.raises(Conflict, match=rf"already ended \({state}\)"):
        request_cancel(connection, "j")
    assert get_job(connection, "j").state == state


def test_what_is_not_there_is_named(connection):
    for call in (get_job, request_cancel):
        with pytest.raises(NotFound, match="no job nix"):
            call(connection, "nix")


def test_pages_go_from_the_newest_to_the_oldest(connection):
    times = ["2026-01-03", "2026-01-01", "2026-01-02", "2026-01-02", "2026-01-05"]
    for number, time in enumerate(times):
        create_job(connection, Job(f"j{number}", "train", created_at=time))
    seen: list[str] = []
    while page := list_jobs(connection, after=seen[-1] if seen else "", limit=2):
        seen += [job.id for job in page]
    assert seen == ["j4", "j0", "j3", "j2", "j1"]
