"""Tests of reads and writes that meet a concurrent deletion, with the order of events forced.

`LOAD CSV` makes a query wait for an HTTP server of the test. That server changes the graph and then answers, so the
change always falls between the query's match and the rest of the query.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from graph.connection import Connection
from graph.errors import NotFound, Unavailable
from graph.records import Patch, Video
from graph.rows import as_record, get_record

MATCHED = "MATCH (t:Thing {id: 1}) LOAD CSV FROM $url AS line "
DELETE = "MATCH (t:Thing {id: 1}) DETACH DELETE t"
CREATE = "CREATE (:Thing {id: 1, name: 'one'})-[:IS]->(:Other {id: 2})"


@contextmanager
def in_between(change: Callable[[], object]) -> Iterator[str]:
    """Run `change` whenever a query loads the yielded URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            change()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"x\n")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("returned", ["t {.*} AS thing", "[t {.*}] AS things"])
def test_a_node_that_is_deleted_while_it_is_read_is_not_returned(connection: Connection, returned: str):
    connection.write(CREATE)
    with in_between(lambda: connection.write(DELETE)) as url:
        assert connection.read(f"{MATCHED} RETURN {returned}", url=url) == []


def test_an_edge_that_is_deleted_while_it_is_read_is_not_returned(connection: Connection):
    connection.write(CREATE)
    query = "MATCH (:Thing {id: 1})-[e:IS]->() LOAD CSV FROM $url AS line RETURN startNode(e).id AS from_id"
    with in_between(lambda: connection.write(DELETE)) as url:
        assert connection.read(query, url=url) == []


@pytest.mark.parametrize("change", ["SET t.x = 1", "REMOVE t.name", "CREATE (t)-[:IS]->(:Other)"])
def test_a_write_to_a_node_that_is_deleted_meanwhile_finds_nothing(connection: Connection, change: str):
    connection.write(CREATE)
    with in_between(lambda: connection.write(DELETE)) as url:
        assert connection.write(f"{MATCHED} {change} RETURN t.id AS id", url=url) == []
    assert connection.read("MATCH (o:Other) RETURN count(o) AS n") == [{"n": 1}]


def test_deletions_without_end_make_the_server_unavailable(connection: Connection):
    connection.write(CREATE)
    query = f"{MATCHED} CREATE (t)-[:IS]->(:Other) RETURN t.id AS id"
    with (
        in_between(lambda: connection.write_many([(DELETE, {}), (CREATE, {})])) as url,
        pytest.raises(Unavailable, match="deleting what this request needs"),
    ):
        connection.write(query, url=url)


@pytest.mark.parametrize("returned", ["b.id AS id", "properties(e) AS e", "[e {.*}] AS edges"])
def test_nulls_and_empty_maps_that_the_graph_holds_are_returned(connection: Connection, returned: str):
    connection.write(CREATE)
    query = f"MATCH (t:Thing {{id: 1}})-[e:IS]->() OPTIONAL MATCH (t)-[:NOT]->(b) RETURN {returned}"
    value = {"b.id AS id": None, "properties(e) AS e": {}}.get(returned, [{}])
    name = returned.split(" AS ")[1]
    assert connection.read(query) == [{name: value}]
    assert connection.write_many([(query, {}), ("RETURN null AS id", {})]) == [[{name: value}], [{"id": None}]]


def test_a_transaction_that_the_server_ends_can_be_tried_again_by_the_user(connection: Connection):
    connection.write(CREATE)

    def end() -> None:
        running = connection.read("SHOW TRANSACTIONS YIELD transactionId AS id, currentQuery AS query")
        (ours,) = [row["id"] for row in running if row["query"].startswith(MATCHED)]
        connection.read("TERMINATE TRANSACTIONS $id", id=ours)

    with in_between(end) as url, pytest.raises(Unavailable, match=r"ended the transaction .* Try again"):
        connection.read(f"{MATCHED} RETURN t.id AS id", url=url)


def test_half_a_node_is_no_record(connection: Connection):
    with pytest.raises(Unavailable, match="Patch node lacks video_id, frame"):
        as_record(Patch, {"id": "0123456789abcdef"})
    connection.write("CREATE (:Video {id: 'v'})")
    with pytest.raises(Unavailable, match="Video node lacks name"):
        get_record(connection, Video, "v")
    with pytest.raises(NotFound):
        get_record(connection, Video, "w")
