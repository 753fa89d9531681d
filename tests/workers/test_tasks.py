"""Tests of how a job ends: it fails at once if a retry cannot help, and is retried if a server is unavailable.

The tasks are Celery's own, run in this process (`Task.apply`), so a retry is Celery's retry without the wait before it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from celery.result import EagerResult

from graph import jobs
from graph.connection import Connection
from graph.errors import InvalidInput, NoDevice, Unavailable
from graph.jobs import get_job
from graph.records import Job, Progress
from workers import tasks
from workers.requests import EmbedRequest, job_id, to_arguments
from workers.stage_context import StageContext

Stage = Callable[[StageContext, EmbedRequest, Progress], str]


@pytest.fixture(autouse=True)
def own_context(home: Path) -> Iterator[None]:
    """Have the tasks of this process open the servers of the test run."""
    tasks.stage_context.cache_clear()
    yield
    tasks.stage_context().connection.close()
    tasks.stage_context.cache_clear()


def apply(stage: Stage, job: str) -> EagerResult:
    """Run the job by a Celery task of this stage."""

    def run(task: tasks.Task, job: str) -> None:
        tasks.perform(task, job, stage)

    return tasks.app.task(run, name=f"test {uuid4().hex}", bind=True, max_retries=None).apply(args=[job])


def submitted(connection: Connection, name: str) -> str:
    request = EmbedRequest(name)
    job, fresh = jobs.open_job(connection, job_id(request), "embed", "x", to_arguments(request))
    assert fresh
    return job.id


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoDevice("There is no device 'cuda:3' here."), "There is no device 'cuda:3' here."),
        (InvalidInput("No quadruples."), "No quadruples."),
        (ZeroDivisionError("by zero\nand more"), "Unexpected ZeroDivisionError (by zero). The worker's log has the"),
    ],
)
def test_a_cause_that_waiting_cannot_cure_fails_at_once_with_its_reason(
    connection: Connection, error: Exception, reason: str
) -> None:
    ran = []

    def stage(context: StageContext, request: EmbedRequest, progress: Progress) -> str:
        ran.append(request.model)
        raise error

    job = submitted(connection, "broken")
    assert apply(stage, job).state == "SUCCESS"  # for Celery: it must not deliver the message again
    ended = get_job(connection, job)
    assert ended.state == "failed"
    assert ended.reason.startswith(reason)
    assert ran == ["broken"]


def test_a_job_whose_server_went_away_runs_at_its_first_retry(connection: Connection) -> None:
    seen: list[Job] = []

    def stage(context: StageContext, request: EmbedRequest, progress: Progress) -> str:
        seen.append(get_job(connection, job))
        if len(seen) == 1:
            raise Unavailable("Neo4j does not answer.")
        return request.model

    job = submitted(connection, "away")
    result = apply(stage, job)
    assert (result.state, result.result) == ("SUCCESS", None)
    assert [one.state for one in seen] == ["running", "running"]  # nobody could write that it stopped
    ended = get_job(connection, job)
    assert (ended.state, ended.result) == ("done", "away")


def test_a_job_that_another_worker_runs_is_left_to_it(connection: Connection) -> None:
    """The message of a job that runs elsewhere is tried again until the job has ended, and then does nothing."""
    job = submitted(connection, "busy")
    claimed = jobs.claim_job(connection, job, "another worker")
    assert claimed is not None
    tries = 0

    class Busy(tasks.Task):
        """A task whose second try finds that the other worker is done."""

        def retry(self, *args: object, **options: object) -> Exception:
            nonlocal tries
            tries += 1
            jobs.finish_job(connection, job, "done", owner="another worker", result="theirs")
            return super().retry(*args, **options)

    def run(task: tasks.Task, job: str) -> None:
        tasks.perform(task, job, never)

    tasks.app.task(run, name="test busy", base=Busy, bind=True, max_retries=None).apply(args=[job])
    assert tries == 1
    assert get_job(connection, job).result == "theirs"


def test_a_request_of_an_unknown_version_fails_with_its_reason(connection: Connection) -> None:
    jobs.open_job(connection, "old", "embed", "x", {"network": "n"})
    apply(never, "old")
    job = get_job(connection, "old")
    assert job.state == "failed"
    assert "submitted by another version" in job.reason


def never(context: StageContext, request: EmbedRequest, progress: Progress) -> str:
    raise AssertionError("this stage must not run")
