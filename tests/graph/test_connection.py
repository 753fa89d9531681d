"""Tests of the connection: plain rows, atomic transactions, and errors that name the cure."""

import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from graph.connection import AccessRefused, Connection
from graph.errors import Conflict, InvalidInput, Unavailable
from graph.server.detached_process import free_port
from graph.server.neo4j import Neo4jDetails


def test_rows_are_plain_and_parameters_are_bound(connection):
    text = "x'}) DETACH DELETE n //"
    connection.write("CREATE (n:Thing {id: $id, sizes: [1, 2]})", id=text)
    rows = connection.read("MATCH (n:Thing) RETURN n {.*} AS thing, n.id AS id")
    assert rows == [{"thing": {"id": text, "sizes": [1, 2]}, "id": text}]
    assert type(rows[0]["thing"]) is dict


def test_many_statements_take_effect_together_or_not_at_all(connection):
    make = ("CREATE (t:Thing {id: $id}) RETURN t.id AS id", {"id": 1})
    assert connection.write_many([make, make]) == [[{"id": 1}], [{"id": 1}]]
    connection.write("CREATE (:Video {id: 'v'})")
    with pytest.raises(Conflict, match="already"):
        connection.write_many([make, ("CREATE (:Video {id: 'v'})", {})])
    assert connection.read("MATCH (t:Thing) RETURN count(t) AS count") == [{"count": 2}]


def test_a_stream_needs_no_memory_for_what_it_passed(connection):
    def peak(rows: int) -> int:
        tracemalloc.start()
        total = sum(row["n"] for row in connection.stream("UNWIND range(1, $rows) AS n RETURN n", rows=rows))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == rows * (rows + 1) // 2
        return most

    peak(2_000)
    assert peak(24_000) < 1.5 * peak(6_000)


def test_a_stream_that_is_left_early_leaves_the_connection_usable(connection):
    stream = connection.stream("UNWIND range(1, 100000) AS n RETURN n")
    assert next(stream) == {"n": 1}
    stream.close()
    assert connection.read("RETURN 2 AS n") == [{"n": 2}]


def test_a_wrong_password_is_told_without_telling_it(neo4j_server: Neo4jDetails):
    with Connection(neo4j_server.bolt_uri, "neo4j", "guessed-wrong") as stranger:
        with pytest.raises(AccessRefused, match=r"refuses the user or password.*NEO4J_PASSWORD") as caught:
            stranger.read("RETURN 1")
        assert "guessed-wrong" not in str(caught.value)
        assert neo4j_server.password not in str(caught.value)
        with pytest.raises(Unavailable, match="refuses"):
            stranger.verify()


def test_a_server_that_is_not_there_is_named_with_the_cure():
    port = free_port("127.0.0.1", [])
    with Connection(f"bolt://127.0.0.1:{port}", "neo4j", "secret", patience_s=0) as nowhere:
        for attempt in (
            nowhere.verify,
            lambda: nowhere.read("RETURN 1"),
            lambda: nowhere.write("CREATE (n)"),
            lambda: list(nowhere.stream("RETURN 1")),
        ):
            with pytest.raises(
                Unavailable, match=rf"bolt://127.0.0.1:{port} does not answer .*`transitive up`.*NEO4J_URI"
            ):
                attempt()


@pytest.mark.parametrize("uri", ["localhost:7687", "http://localhost:7474", "bolt://host:port", ""])
def test_an_address_that_is_none_is_refused(uri: str):
    with pytest.raises(InvalidInput, match="NEO4J_URI is not a Bolt address"):
        Connection(uri, "neo4j", "secret")


def test_a_mistake_in_our_own_query_is_not_dressed_up_as_a_users(connection):
    with pytest.raises(Exception, match="Invalid input") as caught:
        connection.read("MATCH oops")
    assert not isinstance(caught.value, Unavailable)


_WRITER = """
import sys
from graph.connection import Connection
connection = Connection(*sys.argv[1:4])
rows = [{"id": number} for number in range(2000)]
statement = ("UNWIND $rows AS row CREATE (:Half {id: row.id})", {"rows": rows})
def statements():
    for number in range(10_000):
        if number == 20:
            print("in the middle", flush=True)
        yield statement
connection.write_many(statements())
"""


def test_of_a_writer_killed_in_the_middle_nothing_stays(connection, neo4j_server: Neo4jDetails):
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, neo4j_server.bolt_uri, neo4j_server.user, neo4j_server.password],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"in the middle\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert connection.read("MATCH (h:Half) RETURN count(h) AS count") == [{"count": 0}]
    connection.write("CREATE (:Half {id: 1})")  # and no lock of it remains
