"""Jobs: how they move on, and that nobody's news overwrites a request to stop."""

from dataclasses import replace

import pytest

from graph.connection import Connection
from graph.errors import Conflict, NotFound
from graph.jobs import create_job, get_job, list_jobs, request_cancel, update_job
from graph.records import Job


def test_a_new_job_comes_back_with_its_times(connection):
    job = create_job(connection, Job("j1", "ingest", target="dog.mp4"))
    assert job.created_at == job.updated_at > "2026"
    assert job == get_job(connection, "j1")
    assert replace(job, created_at="", updated_at="") == Job("j1", "ingest", target="dog.mp4")
    assert create_job(connection, Job("j1", "train", target="other")) == job


def test_progress_and_the_end_are_kept(connection):
    create_job(connection, Job("j", "train"))
    running = update_job(connection, "j", state="running", stage="train", done=5, total=10, unit="iterations")
    assert (running.state, running.stage, running.done, running.total, running.unit) == (
        "running", "train", 5, 10, "iterations",
    )  # fmt: skip
    assert running.finished_at == ""
    done = update_job(connection, "j", state="done", result="model-1")
    assert done.finished_at >= done.created_at
    assert done.result == "model-1"
    assert update_job(connection, "j", state="running", done=9) == replace(
        done, updated_at=get_job(connection, "j").updated_at
    )


def test_a_request_to_cancel_survives_news_of_progress(connection):
    create_job(connection, Job("j", "train"))
    update_job(connection, "j", state="running")
    assert request_cancel(connection, "j").state == "cancelling"
    news = update_job(connection, "j", state="running", done=7)
    assert (news.state, news.done) == ("cancelling", 7)
    assert request_cancel(connection, "j").state == "cancelling"
    assert update_job(connection, "j", state="cancelled").state == "cancelled"
    assert request_cancel(connection, "j").state == "cancelled"


def test_a_queued_job_is_cancelled_at_once_and_never_starts(connection):
    create_job(connection, Job("j", "train"))
    cancelled = request_cancel(connection, "j")
    assert cancelled.state == "cancelled"
    assert cancelled.finished_at
    assert update_job(connection, "j", state="running").state == "cancelled"


def test_a_finished_job_cannot_be_cancelled(connection):
    create_job(connection, Job("j", "train"))
    update_job(connection, "j", state="failed", reason="no disk")
    with pytest.raises(Conflict, match="failed already"):
        request_cancel(connection, "j")


def test_what_is_not_there_or_not_changeable_is_named(connection):
    for call in (get_job, request_cancel, update_job):
        with pytest.raises(NotFound, match="no job nix"):
            call(connection, "nix")
    create_job(connection, Job("j", "train"))
    with pytest.raises(TypeError, match="kind, speed"):
        update_job(connection, "j", kind="link", speed=3)


def test_pages_go_from_the_newest_to_the_oldest(connection: Connection):
    times = ["2026-01-03", "2026-01-01", "2026-01-02", "2026-01-02", "2026-01-05"]
    for number, time in enumerate(times):
        create_job(connection, Job(f"j{number}", "ingest", created_at=time))
    seen: list[str] = []
    while page := list_jobs(connection, after=seen[-1] if seen else "", limit=2):
        seen += [job.id for job in page]
    assert seen == ["j4", "j0", "j3", "j2", "j1"]


def test_what_the_queue_keeps_on_the_same_node_is_left_alone(connection):
    create_job(connection, Job("j", "ingest"))
    connection.write("MATCH (j:Job {id: 'j'}) SET j.owner = 'worker 1'")
    assert update_job(connection, "j", state="running").state == "running"
    assert connection.read("MATCH (j:Job {id: 'j'}) RETURN j.owner AS owner") == [{"owner": "worker 1"}]
