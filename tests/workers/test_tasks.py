"""Tests of the end of a job: it is retried only when a server does not answer."""

import pytest

from graph import jobs
from graph.connection import Connection
from graph.errors import InvalidInput, NoDevice, Unavailable
from graph.jobs import get_job
from graph.settings import Settings
from graph.shards import Shards
from workers import tasks
from workers.requests import EmbedRequest, job_id, to_arguments
from workers.stage_context import StageContext


class Retried(Exception):
    """The exception with which Celery retries a task."""


class FakeTask:
    """A Celery task that only records its retry."""

    def retry(self, countdown: int) -> Exception:
        return Retried(str(countdown))


def perform(connection: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    context = StageContext(Settings(), connection, Shards("memory://tasks"))
    monkeypatch.setattr(tasks, "stage_context", lambda: context)

    def stage(context: StageContext, request: EmbedRequest, progress: object) -> str:
        raise error

    request = EmbedRequest(type(error).__name__)
    job, _ = jobs.open_job(connection, job_id(request), "embed", "x", to_arguments(request))
    tasks.perform(FakeTask(), job.id, stage)  # type: ignore[arg-type]
    return job.id


@pytest.mark.parametrize("error", [NoDevice("There is no device 'cuda:3' here."), InvalidInput("No quadruples.")])
def test_what_waiting_cannot_cure_fails_with_its_reason(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ended = get_job(connection, perform(connection, monkeypatch, error))
    assert (ended.state, ended.reason) == ("failed", str(error))


def test_a_job_whose_server_went_away_runs_at_its_first_retry(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Unavailable("Neo4j does not answer.")
    with pytest.raises(Retried):
        perform(connection, monkeypatch, away)
    identifier = job_id(EmbedRequest("Unavailable"))
    assert get_job(connection, identifier).state == "running"  # the end of the attempt could not be written
    tasks.perform(FakeTask(), identifier, lambda context, request, progress: request.model)  # type: ignore[arg-type]
    job = get_job(connection, identifier)
    assert (job.state, job.result) == ("done", "Unavailable")


def test_a_request_of_an_unknown_version_fails_with_its_reason(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = StageContext(Settings(), connection, Shards("memory://tasks"))
    monkeypatch.setattr(tasks, "stage_context", lambda: context)
    jobs.open_job(connection, "old", "embed", "x", {"network": "n"})
    tasks.perform(FakeTask(), "old", lambda context, request, progress: "never")  # type: ignore[arg-type]
    job = get_job(connection, "old")
    assert job.state == "failed"
    assert "submitted by another version" in job.reason
