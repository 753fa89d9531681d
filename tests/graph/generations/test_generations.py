"""Tests of generations in a real Neo4j: a linking is written completely or not at all, by one run at a time."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from graph.connection import Connection, Statement
from graph.errors import Cancelled, Conflict, NotFound, Unavailable
from graph.generations import batches
from graph.generations.catalogue import (
    LINKING,
    current_generation,
    delete_generation,
    get_generation,
    held_out_videos,
    list_generations,
    unfinished,
    unlinked_videos,
)
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import Linking, link
from graph.lock import graph_lock
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails, Neo4jServer
from graph.videos import delete_video
from tests.graph.linking_data import World, make_world, write_world
from tests.ports import quiet_port

EVERYTHING = """
MATCH (n) WHERE NOT n:Video AND NOT n:Patch
OPTIONAL MATCH (n)-[e]-(m)
RETURN labels(n)[0] AS label, properties(n) AS node, type(e) AS kind, coalesce(m.id, m.name, '') AS other
"""
EDGES = """
MATCH (a:Patch)-[e:INTER_INSTANCE {generation: $generation}]->(b:Patch)
RETURN a.id AS a, b.id AS b, e {.*} AS edge
"""


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(300, 8)


@pytest.fixture(scope="module")
def linking(world: World) -> Linking:
    return link(world.features, world.starts, replace(PAPER, parents=4, smallest=8))


@pytest.fixture
def written(connection: Connection, world: World) -> Connection:
    write_world(connection, world)
    return connection


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS", 12)
    monkeypatch.setattr(batches, "BUCKET_ROWS", 20)


def snapshot(connection: Connection) -> list[str]:
    edges = connection.read("MATCH (a)-[e:INTER_INSTANCE]->(b) RETURN a.id AS a, b.id AS b, properties(e) AS e")
    return sorted(repr(sorted(row.items(), key=str)) for row in connection.read(EVERYTHING) + edges)


def test_what_is_written_is_what_was_linked(written: Connection, linking: Linking, small_batches: None) -> None:
    held_out = held_out_videos(linking.video_ids)
    generation = write_generation(written, linking, "context-1", held_out)

    rows = written.read(EDGES, generation=generation)
    assert len(rows) == len(linking.edges) > 50
    assert {(row["a"], row["b"], row["edge"]["distance"]) for row in rows} == {
        (edge.a_id, edge.b_id, edge.distance) for edge in linking.edges
    }
    parent = dict(zip(linking.patch_ids, linking.parents.tolist(), strict=True))
    video = dict(zip(linking.patch_ids, linking.video_ids, strict=True))
    for row in rows:
        assert row["edge"]["parent"] == parent[row["a"]] == parent[row["b"]]
        assert row["edge"]["held_out"] == bool({video[row["a"]], video[row["b"]]} & set(held_out))
    members = written.read(
        "MATCH (p:Patch)-[:IN_PARENT]->(c:ParentCluster {generation: $g}) RETURN p.id AS p, c.id AS c, c.size AS s",
        g=generation,
    )
    assert {(row["p"], row["c"]) for row in members} == {(p, c) for p, c in parent.items() if c >= 0}
    assert all(row["s"] == linking.parent_sizes[row["c"]] for row in members)
    children = written.read(
        "MATCH (p:Patch)-[:IN_CHILD]->(c:ChildCluster {generation: $g}) RETURN c.id AS c, collect(p.id) AS members",
        g=generation,
    )
    assert {frozenset(row["members"]) for row in children} == {
        frozenset(linking.patch_ids[i] for i in group) for group in linking.groups.tolist()
    }
    assert len(children) == len(linking.groups)

    known = get_generation(written, generation)
    assert known.current
    assert (known.patches, known.parents, known.children, known.edges) == (300, 4, len(linking.groups), len(rows))
    assert known.feature_model == "context-1"
    assert known.held_out == tuple(held_out)
    assert known.quality == {"rejected_before": 0, **linking.quality, "rejected_since": 0, "rejected_share": 0.0}
    assert known.parameters["parents"] == 4
    assert known.track_length == 30
    assert known.buckets == round(len(rows) / 20) > 2
    assert not written.read("MATCH (l:WritingLane) RETURN l.lane AS lane")
    assert not written.read("MATCH (l:Lock) RETURN l.name AS name")


def test_written_again_it_is_the_same_generation(written: Connection, linking: Linking) -> None:
    first = write_generation(written, linking, "context-1", ["x"])
    before = snapshot(written)
    assert write_generation(written, linking, "context-1", ["x"]) == first
    assert snapshot(written) == before
    assert write_generation(written, linking, "context-2", ["x"]) != first
    assert current_generation(written) != first
    assert write_generation(written, linking, "context-1", ["x"]) == first  # switches back, writes nothing
    assert current_generation(written) == first
    assert len(list_generations(written)) == 2


def test_before_the_first_linking(connection: Connection) -> None:
    assert current_generation(connection) is None
    assert list_generations(connection) == []
    with pytest.raises(NotFound, match="There is no generation abc"):
        get_generation(connection, "abc")


@pytest.mark.parametrize("when", [0, 1, 30])
def test_cancelled_it_leaves_nothing_and_the_old_one_stays(
    written: Connection, world: World, linking: Linking, small_batches: None, when: int
) -> None:
    old = write_generation(written, link(world.features, world.starts, replace(PAPER, seed=5)), "context-1")
    before = snapshot(written)

    def stop(stage: str, done: int, total: int, unit: str) -> None:
        if done >= when:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        write_generation(written, linking, "context-1", progress=stop)
    assert snapshot(written) == before
    assert current_generation(written) == old


class Failing:
    """A connection that fails from its nth write on."""

    def __init__(self, connection: Connection, writes: int) -> None:
        self._connection, self._left = connection, writes

    def read(self, query: str, **parameters):
        if self._left <= 0:
            raise Unavailable("Neo4j is away.")
        return self._connection.read(query, **parameters)

    def write(self, query: str, **parameters):
        self._left -= 1
        if self._left <= 0:
            raise Unavailable("Neo4j is away.")
        return self._connection.write(query, **parameters)

    def write_many(self, statements: Sequence[Statement]):
        self._left -= 1
        if self._left <= 0:
            raise Unavailable("Neo4j is away.")
        return self._connection.write_many(statements)


@pytest.mark.parametrize("writes", [1, 2, 3, 9, 20, 40])
def test_neo4j_gone_at_any_write_and_the_next_run_completes(
    written: Connection, linking: Linking, small_batches: None, writes: int
) -> None:
    with pytest.raises(Unavailable):
        write_generation(Failing(written, writes), linking, "context-1")  # type: ignore[arg-type]
    assert current_generation(written) is None
    assert list_generations(written) == []
    generation = write_generation(written, linking, "context-1")
    assert len(written.read(EDGES, generation=generation)) == len(linking.edges)
    assert unfinished(written) == []
    assert written.read("MATCH ()-[e:INTER_INSTANCE]->() RETURN count(*) AS n")[0]["n"] == len(linking.edges)


class Repeating:
    """A connection whose answers are lost, so that the driver repeats every write."""

    def __init__(self, connection: Connection) -> None:
        self.read = connection.read
        self._write, self._write_many = connection.write, connection.write_many

    def write(self, query: str, **parameters):
        first = self._write(query, **parameters)
        return self._write(query, **parameters) if "WritingLane" in query and "CREATE (g:" not in query else first

    def write_many(self, statements: Sequence[Statement]):
        self._write_many(statements)
        return self._write_many(statements)


def test_a_transaction_sent_twice_takes_effect_once(written: Connection, linking: Linking, small_batches: None) -> None:
    generation = write_generation(Repeating(written), linking, "context-1")  # type: ignore[arg-type]
    assert len(written.read(EDGES, generation=generation)) == len(linking.edges)
    known = get_generation(written, generation)
    assert written.read("MATCH ()-[e:IN_CHILD]->() RETURN count(*) AS n")[0]["n"] == 4 * known.children


def test_patches_deleted_meanwhile(written: Connection, world: World, linking: Linking) -> None:
    delete_video(written, world.videos[3].id)
    before = snapshot(written)
    with pytest.raises(Conflict, match="deleted while they were linked"):
        write_generation(written, linking, "context-1")
    assert snapshot(written) == before


def test_the_second_of_two_linkings_is_refused(written: Connection, linking: Linking) -> None:
    with graph_lock(written, LINKING) as lock:
        with pytest.raises(Conflict, match=f"Another linking is running .process {os.getpid()} on "):
            write_generation(written, linking, "context-1")
        with pytest.raises(Conflict, match="Another linking is running"):
            delete_generation(written, "abc")
        generation = write_generation(written, linking, "context-1", lock=lock)  # the holder of the lock may write
    assert current_generation(written) == generation
    with graph_lock(written, LINKING):
        pass


def test_a_lock_whose_lease_ran_out_is_taken_and_its_owner_may_not_switch(
    written: Connection, linking: Linking
) -> None:
    before = snapshot(written)

    def robbed(stage: str, done: int, total: int, unit: str) -> None:
        if done == total:
            written.write("MATCH (l:Lock) SET l.expires = 0")
            with graph_lock(written, LINKING):
                pass

    with pytest.raises(Conflict, match="took the lock"):
        write_generation(written, linking, "context-1", progress=robbed)
    assert snapshot(written) == before


def test_neo4j_killed_and_started_again_during_the_write(
    world: World, linking: Linking, small_batches: None, tmp_path: Path, jar_cache: Path
) -> None:
    """A commit whose answer is lost ends the attempt; the job is retried (as in `workers.tasks`) and completes."""
    server = Neo4jServer(tmp_path, jar_cache, bolt_port=quiet_port(), http_port=quiet_port())
    restarts: list[threading.Thread] = []

    def restart() -> None:
        os.kill(json.loads((tmp_path / "neo4j" / "server.json").read_text())["pid"], signal.SIGKILL)
        while server.running():
            time.sleep(0.05)
        server.start()

    def disturb(stage: str, done: int, total: int, unit: str) -> None:
        if done and not restarts:
            restarts.append(threading.Thread(target=restart))
            restarts[0].start()

    try:
        with server.start().connect(patience_s=60) as connection:
            apply_schema(connection)
            write_world(connection, world)
            slow = Slow(connection)  # so that the restart falls between the batches
            with suppress(Unavailable):
                write_generation(slow, linking, "context-1", progress=disturb)  # type: ignore[arg-type]
            restarts[0].join()
            generation = write_generation(connection, linking, "context-1")
            rows = connection.read(EDGES, generation=generation)
            assert {(row["a"], row["b"]) for row in rows} == {(edge.a_id, edge.b_id) for edge in linking.edges}
            assert len(rows) == len(linking.edges)
            assert unfinished(connection) == []
            memberships = connection.read("MATCH ()-[e:IN_CHILD]->() RETURN count(e) AS n")[0]["n"]
            assert memberships == linking.groups.size
    finally:
        server.stop()


class Slow:
    """A slow connection."""

    def __init__(self, connection: Connection) -> None:
        self.read, self.write_many = connection.read, connection.write_many
        self._write = connection.write

    def write(self, query: str, **parameters):
        time.sleep(0.1)
        return self._write(query, **parameters)


KILLED = """
    import os, pickle, signal, sys
    from pathlib import Path
    from graph.connection import Connection
    from graph.generations import batches
    from graph.generations import writer

    def progress(stage, done, total, unit):
        if done > int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)

    batches.ROWS = 5
    linking = pickle.loads(Path(sys.argv[3]).read_bytes())
    with Connection(sys.argv[1], "neo4j", sys.argv[2]) as connection:
        writer.write_generation(connection, linking, "context-1", progress=progress)
"""


def test_killed_in_the_middle_the_same_command_completes(
    written: Connection, neo4j_server: Neo4jDetails, linking: Linking, tmp_path: Path
) -> None:
    import pickle

    file = tmp_path / "linking"
    file.write_bytes(pickle.dumps(linking))
    arguments = [neo4j_server.bolt_uri, neo4j_server.password, str(file), "40"]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(unfinished(written)) == 1
    assert current_generation(written) is None
    assert list_generations(written) == []
    generation = write_generation(written, linking, "context-1")  # the lock of the dead process is taken over
    assert len(written.read(EDGES, generation=generation)) == len(linking.edges)
    assert written.read("MATCH ()-[e:INTER_INSTANCE]->() RETURN count(*) AS n")[0]["n"] == len(linking.edges)
    assert unfinished(written) == []


def test_deleting_takes_all_of_one_and_nothing_of_the_other(
    written: Connection, world: World, linking: Linking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.generations.catalogue.DELETED_AT_ONCE", 50)
    kept = write_generation(written, linking, "context-1")
    before = snapshot(written)
    old = write_generation(written, link(world.features, world.starts, replace(PAPER, seed=5)), "context-1")
    with pytest.raises(Conflict, match="is the current one"):
        delete_generation(written, old)
    assert write_generation(written, linking, "context-1") == kept
    delete_generation(written, old)
    assert snapshot(written) == before
    with pytest.raises(NotFound):
        delete_generation(written, old)


def test_a_deletion_that_was_killed_is_completed(written: Connection, world: World, linking: Linking) -> None:
    old = write_generation(written, link(world.features, world.starts, replace(PAPER, seed=5)), "context-1")
    write_generation(written, linking, "context-1")

    def stop(stage: str, done: int, total: int, unit: str) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        delete_generation(written, old, stop)
    with pytest.raises(NotFound):
        get_generation(written, old)
    delete_generation(written, old)
    assert unfinished(written) == []
    assert written.read("MATCH ()-[e:INTER_INSTANCE]->() RETURN count(*) AS n")[0]["n"] == len(linking.edges)


def test_videos_that_the_generation_does_not_know_are_counted(written: Connection, linking: Linking) -> None:
    assert unlinked_videos(written) == 8
    write_generation(written, linking, "context-1")
    assert unlinked_videos(written) == 0
    write_world(written, make_world(6, 3, seed=9))
    assert unlinked_videos(written) == 3


def test_a_tenth_of_the_videos_is_held_out_with_their_reencodings() -> None:
    ids = [f"video{n}" for n in range(40)]
    chosen = held_out_videos(ids)
    assert len(chosen) == 4
    assert held_out_videos(list(reversed(ids)) * 2) == chosen
    assert held_out_videos(ids[:2]) == []
    assert len(held_out_videos(ids[:3])) == 1
    rest = [video for video in ids if video not in chosen]
    together = held_out_videos(ids, {rest[0]: chosen[0]})
    assert (rest[0] in together) == (chosen[0] in together)
