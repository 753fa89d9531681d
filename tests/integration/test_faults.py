"""Tests of failures during a run: killed workers and commands, Ctrl-C, unreachable servers; the command is repeated."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from graph.connection import Connection
from graph.settings import load_settings
from tests.integration.conftest import Workshop, assert_files_match, finish, graph_sets, wait_until

Sets = dict[str, set[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Sets]:
    """The result of ingesting the clips without failures, computed once."""
    return {}


def expected(workshop: Workshop, connection: Connection, clips: list[Path], memory: dict[str, Sets]) -> Sets:
    """Return the result of an undisturbed ingestion; the first call computes it and then empties the graph."""
    if "sets" not in memory:
        assert workshop.run("ingest", *clips).code == 0
        memory["sets"] = graph_sets(connection)
        connection.write("MATCH (n) DETACH DELETE n")
        for video in workshop.shards.names("patches"):
            workshop.shards.delete(f"patches/{video}")
            workshop.shards.delete(f"frames/{video}")
    return memory["sets"]


def states(connection: Connection) -> list[str]:
    return [row["state"] for row in connection.read("MATCH (j:Job) RETURN j.state AS state")]


def running(connection: Connection) -> bool:
    return "running" in states(connection)


def mining(workshop: Workshop, connection: Connection, clips: list[Path]) -> "subprocess.Popen[str]":
    """Start to ingest the clips; returns the command when one of its jobs runs."""
    command = workshop.start("ingest", *clips)
    wait_until(lambda: running(connection), "a job runs", command)
    return command


def only_line(err: str) -> str:
    """Return the only line that describes the failure, without progress bars and notes."""
    lines = [line for line in err.splitlines() if line.startswith("transitive: ")]
    assert len(lines) == 1, err
    return lines[0]


def test_a_mining_worker_killed_in_the_middle_is_replaced_and_nothing_is_lost_or_double(
    workshop: Workshop, connection: Connection, clips: list[Path], undisturbed: dict[str, Sets]
) -> None:
    wanted = expected(workshop, connection, clips, undisturbed)
    command = mining(workshop, connection, clips)
    os.kill(workshop.stack.workers["mining"].pid, signal.SIGKILL)
    result = finish(command)
    assert result.code == 0, result.err
    assert "worker died and was started again" in result.err
    assert graph_sets(connection) == wanted
    assert_files_match(workshop, connection)


def test_a_command_killed_in_the_middle_is_completed_by_running_it_again(
    workshop: Workshop, connection: Connection, clips: list[Path], undisturbed: dict[str, Sets]
) -> None:
    wanted = expected(workshop, connection, clips, undisturbed)
    command = mining(workshop, connection, clips)
    command.kill()
    command.communicate()
    assert workshop.run("ingest", *clips).code == 0
    assert graph_sets(connection) == wanted
    assert_files_match(workshop, connection)


def test_ctrl_c_cancels_what_waits_and_the_same_command_goes_on(
    workshop: Workshop, connection: Connection, clips: list[Path], undisturbed: dict[str, Sets]
) -> None:
    wanted = expected(workshop, connection, clips, undisturbed)
    command = mining(workshop, connection, clips)
    command.send_signal(signal.SIGINT)
    result = finish(command)
    assert result.code == 1
    assert "Run the same command again" in only_line(result.err)
    assert not {"queued", "running", "cancelling"} & set(states(connection))
    assert_files_match(workshop, connection)
    assert workshop.run("ingest", *clips).code == 0
    assert graph_sets(connection) == wanted


def test_ctrl_c_in_a_training_leaves_a_checkpoint_and_the_same_command_goes_on_from_it(
    workshop: Workshop, connection: Connection, clip: Path
) -> None:
    assert workshop.run("ingest", clip).code == 0
    arguments = ("train", "context", "--preset", "demo", "--iterations", "20", "--json")
    command = workshop.start(*arguments)
    at_work = "MATCH (j:Job {kind: 'train', state: 'running'}) WHERE j.done >= 3 RETURN j"
    wait_until(lambda: bool(connection.read(at_work)), "three steps are done", command)
    command.send_signal(signal.SIGINT)
    assert finish(command).code == 1
    (folder,) = (Path(workshop.settings.data) / "models").iterdir()
    assert (folder / "checkpoints" / "last.pt").is_file()
    assert not (folder / "model.json").exists()
    result = workshop.run(*arguments)
    assert result.code == 0, result.err
    assert result.facts["step"] == 20
    assert Path(result.facts["folder"]) == folder


@pytest.mark.parametrize(
    ("variable", "address"), [("NEO4J_URI", "bolt://127.0.0.1:1"), ("REDIS_URL", "redis://:secret@127.0.0.1:1/0")]
)
def test_a_server_that_is_not_there_ends_in_one_line(
    workshop: Workshop, clip: Path, variable: str, address: str
) -> None:
    result = workshop.run("ingest", clip, **{variable: address})
    assert result.code == 1
    line = only_line(result.err)
    assert "127.0.0.1:1" in line
    assert "does not answer" in line
    assert "secret" not in result.err
    assert all(worker.running() for worker in workshop.stack.workers.values()), "a wrong address stopped the workers"


def test_neo4j_killed_in_the_middle_ends_in_one_line_and_the_same_command_completes(
    clips: list[Path], clip: Path, jar_cache: Path, tmp_path: Path
) -> None:
    """In a new home folder, everything starts by itself beside the other home's servers, and stops again."""
    named = {"TRANSITIVE_HOME": str(tmp_path / "home"), "TRANSITIVE_CACHE": str(jar_cache)}
    hidden = ("NEO4J_", "REDIS_", "TRANSITIVE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | named
    workshop = Workshop(environment, None, load_settings(environment))  # type: ignore[arg-type]
    first = workshop.run("ingest", clip, "--json")
    assert first.code == 0, first.err
    try:
        facts = workshop.run("status", "--json").facts
        assert facts["graph"]["videos"] == 1
        assert facts["api"].startswith("http://")
        assert facts["neo4j"]["browser"].startswith("http://")
        server = int((tmp_path / "home" / "neo4j" / "server.json").read_text().split('"pid": ')[1].split(",")[0])
        command = workshop.start("ingest", *clips)
        password = (tmp_path / "home" / "secrets" / "neo4j_password").read_text().strip()
        with Connection(facts["neo4j"]["bolt"], "neo4j", password) as connection:
            wait_until(lambda: running(connection), "a job runs", command)
        os.kill(server, signal.SIGKILL)
        ended = finish(command)
        assert ended.code == 1
        assert "Neo4j" in only_line(ended.err)
        again = workshop.run("ingest", *clips, "--json")
        assert again.code == 0, again.err
        assert again.facts["graph"]["videos"] == len(clips)
        assert workshop.shards.names("patches") == sorted(again.facts["videos"])
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "home" / "secrets").iterdir()} == {0o600}
    finally:
        assert workshop.run("down").code == 0
    facts = workshop.run("status", "--json").facts
    assert facts["api"] is None
    assert facts["graph"] is None
    assert facts["workers"] == {"mining": False, "graph": False, "torch": False}
