"""How a job ends: what waiting cannot cure fails at once, a server that is away is tried again."""

import pytest

from graph.connection import Connection
from graph.errors import InvalidInput, NoDevice, Unavailable
from graph.jobs import get_job
from graph.settings import Settings
from graph.shards import Shards
from workers import ledger, tasks
from workers.stage_context import StageContext


class Retried(Exception):
    """What Celery raises to have a task again."""


class FakeTask:
    """A Celery task that only says that it would come again."""

    def retry(self, countdown: int) -> Exception:
        return Retried(str(countdown))


def perform(connection: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    context = StageContext(Settings(), connection, Shards("memory://tasks"))
    monkeypatch.setattr(tasks, "stage_context", lambda: context)

    def stage(context: StageContext, arguments: dict[str, object], progress: object) -> str:
        raise error

    job, _ = ledger.open_job(connection, f"job of {type(error).__name__}", "train", "x", {})
    tasks.perform(FakeTask(), job.id, stage)  # type: ignore[arg-type]
    return job.id


@pytest.mark.parametrize("error", [NoDevice("There is no device 'cuda:3' here."), InvalidInput("No quadruples.")])
def test_what_waiting_cannot_cure_fails_with_its_reason(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ended = get_job(connection, perform(connection, monkeypatch, error))
    assert (ended.state, ended.reason) == ("failed", str(error))


def test_a_server_that_is_away_is_tried_again(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Retried):
        perform(connection, monkeypatch, Unavailable("Neo4j does not answer."))
