"""Tests of a second real Neo4j beside the test run's: changing ports, kills, interruptions, restarts with its data."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from graph.connection import AccessRefused, Connection
from graph.errors import StorageError, Unavailable
from graph.server import neo4j_config
from graph.server.detached_process import LocalProcess
from graph.server.neo4j import Neo4jDetails, Neo4jServer


def ports(details: Neo4jDetails) -> tuple[int, int]:
    bolt, http = (re.search(r":(\d+)", url.split("//")[1]) for url in (details.bolt_uri, details.browser_url))
    assert bolt
    assert http
    return int(bolt[1]), int(http[1])


@pytest.fixture(scope="module")
def second_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zweites Zuhause, größer")


@pytest.fixture(scope="module")
def second(second_home: Path, jar_cache: Path, neo4j_server: Neo4jDetails) -> Iterator[Neo4jServer]:
    """A server whose preferred ports are in use by the running server."""
    bolt, http = ports(neo4j_server)
    server = Neo4jServer(second_home, jar_cache, bolt_port=bolt, http_port=http)
    server.start()
    yield server
    server.stop()


def test_a_port_that_another_home_took_at_the_same_moment_is_given_up(
    neo4j_server: Neo4jDetails, tmp_path: Path, jar_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other home's server answers at our port; ours cannot listen there and starts again on other ports."""
    server = Neo4jServer(tmp_path, jar_cache)
    other = ports(neo4j_server)
    chosen = iter([other, Neo4jServer(tmp_path, jar_cache, *(0, 0))._choose_ports()])
    monkeypatch.setattr(server, "_choose_ports", lambda: next(chosen))
    try:
        details = server.start()
        assert not set(ports(details)) & set(other)
        with details.connect() as connection:
            assert connection.read("RETURN 1 AS one") == [{"one": 1}]
    finally:
        server.stop()


def test_two_homes_run_side_by_side_and_share_nothing(second, connection, neo4j_server):
    details = second.details()
    assert not set(ports(details)) & set(ports(neo4j_server))
    connection.write("CREATE (:Mark {of: 'first'})")
    with details.connect() as other:
        assert other.read("MATCH (m:Mark) RETURN m.of AS of") == []
        other.write("CREATE (:Mark {of: 'second'})")
    assert connection.read("MATCH (m:Mark) RETURN m.of AS of") == [{"of": "first"}]
    with Connection(details.bolt_uri, "neo4j", neo4j_server.password) as wrong, pytest.raises(AccessRefused):
        wrong.verify()
    with Connection(details.bolt_uri, "neo4j", "neo4j") as default, pytest.raises(AccessRefused):
        default.verify()


def test_neo4j_browser_is_served_and_told_where_bolt_is(second):
    details = second.details()
    page = httpx.get(details.browser_url)
    assert page.status_code == 200
    assert "Neo4j Browser" in page.text
    root = httpx.get(details.browser_url.removesuffix("browser/"), headers={"Accept": "application/json"}).json()
    assert root["neo4j_version"].startswith("5.26.")
    assert root["bolt_direct"] == details.bolt_uri


def test_secrets_are_the_owners_alone_and_nowhere_else(second, second_home):
    details = second.details()
    assert stat.S_IMODE(details.password_file.stat().st_mode) == 0o600
    for folder in ("neo4j", "secrets"):
        assert stat.S_IMODE((second_home / folder).stat().st_mode) == 0o700
    assert len(details.password) >= 24
    assert details.password not in " ".join(second._process.process().cmdline())
    written = [path for path in second_home.rglob("*") if path.is_file() and path != details.password_file]
    assert not [path for path in written if details.password.encode() in path.read_bytes()]


def test_it_outlives_whoever_started_it_and_is_found_by_others(second, second_home, jar_cache):
    started_by_another = Neo4jServer(second_home, jar_cache)
    assert started_by_another.running()
    assert started_by_another.start() == second.details()  # nothing to do
    assert os.getsid(second._process.process().pid) != os.getsid(0)  # Ctrl-C in this terminal does not reach it


def test_a_killed_server_is_noticed_and_recovers_with_a_patient_writer_waiting(second, second_home):
    before = second.details()
    temporary = second_home / "neo4j" / "tmp"
    left = set(temporary.iterdir())
    assert left  # Jetty's folder of Neo4j Browser
    with before.connect(patience_s=120) as patient:
        patient.write("UNWIND range(1, 500) AS n CREATE (:Kept {n: n})")
        os.kill(second._process.process().pid, signal.SIGKILL)
        second._process.wait_until(lambda: False, 30, lambda: None)
        assert not second.running()
        with before.connect(patience_s=0) as hasty, pytest.raises(Unavailable, match="does not answer"):
            hasty.read("RETURN 1")
        writer = threading.Thread(target=patient.write, args=("CREATE (:Kept {n: 501})",))
        writer.start()
        assert second.start() == before
        writer.join()
        kept = patient.read("MATCH (k:Kept) RETURN count(k) AS count, max(k.n) AS most")
    assert kept == [{"count": 501, "most": 501}]
    assert not left & set(temporary.iterdir())


_BUSY = """
import sys
from graph.connection import Connection
from graph.errors import StorageError, Unavailable
connection = Connection(*sys.argv[1:4], patience_s=0)
number = 0
try:
    while True:
        number += 1
        connection.write_many([("UNWIND range(1, 200) AS n CREATE (:Batch {of: $number})", {"number": number})])
        assert sum(1 for _ in connection.stream("MATCH (b:Batch) RETURN b.of AS of LIMIT 5000"))
        print(number, flush=True)
except Unavailable as error:
    sys.exit(str(error))
"""


def test_stopped_in_the_middle_of_work_it_ends_in_one_line_and_goes_on_elsewhere(second):
    before = second.details()
    worker = subprocess.Popen(
        [sys.executable, "-c", _BUSY, before.bolt_uri, before.user, before.password],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "1\n"
        second.stop()
        out, err = worker.communicate(timeout=60)
    assert not second.running()
    assert worker.returncode == 1
    assert len(err.strip().splitlines()) == 1, err
    assert "`transitive up`" in err
    acknowledged = int(out.split()[-1]) if out.split() else 1
    bolt, http = ports(before)
    with socket.create_server(("127.0.0.1", bolt)):  # another program takes its port
        after = second.start()
    assert ports(after)[0] != bolt
    assert ports(after)[1] == http
    with after.connect() as connection:
        batches = connection.read("MATCH (b:Batch) RETURN b.of AS of, count(*) AS size ORDER BY of")
        assert {row["size"] for row in batches} == {200}  # whole batches only
        assert [row["of"] for row in batches] in (
            list(range(1, acknowledged + 1)),
            list(range(1, acknowledged + 2)),  # the last one was written, but its answer was lost
        )
        assert connection.read("MATCH (k:Kept) RETURN count(k) AS count") == [{"count": 501}]


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="only Linux can take a running server's disk away")
def test_a_server_whose_disk_is_full_says_so_and_is_well_again_after_the_next_start(second):
    process = second._process.process()
    process.rlimit(psutil.RLIMIT_FSIZE, (3 << 20, 3 << 20))
    written: list[int] = []

    def write_on(connection: Connection) -> None:
        for number in range(200):
            connection.write("UNWIND range(1, 1000) AS n CREATE (:Large {n: n, text: $text})", text=number * "x")
            written.append(number)

    with second.details().connect(patience_s=0) as connection:
        with pytest.raises(StorageError, match=r"full disk.*Free some space"):
            write_on(connection)
        with pytest.raises(StorageError, match="Free some space"):
            connection.read("RETURN 1")
    with second.start().connect() as connection:
        sizes = [row["size"] for row in connection.read("MATCH (l:Large) RETURN l.text, count(*) AS size")]
    assert second._process.process() != process
    assert set(sizes) <= {1000}
    assert len(sizes) in (len(written), len(written) + 1)  # the last one may already be in the log


def test_a_changed_password_is_told_instead_of_waited_for(second, second_home, jar_cache):
    file = second.details().password_file
    right = file.read_text()
    try:
        file.write_text("another\n")
        with pytest.raises(AccessRefused, match="refuses the user or password"):
            Neo4jServer(second_home, jar_cache).start()
    finally:
        file.write_text(right)


def test_data_without_its_password_is_not_opened(tmp_path, jar_cache):
    (tmp_path / "neo4j" / "data" / "databases" / "system").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"neo4j_password is missing.*Restore the file"):
        Neo4jServer(tmp_path, jar_cache).start()
    assert not (tmp_path / "secrets").exists()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing_running(tmp_path, jar_cache, monkeypatch):
    monkeypatch.setattr("graph.server.neo4j.neo4j_conf", lambda *_: "server.nonsense=1\n")
    server = Neo4jServer(tmp_path, jar_cache, bolt_port=0, http_port=0)
    with pytest.raises(Unavailable, match=r"local Neo4j did not start\. End of its log: .*server\.nonsense"):
        server.start()
    assert not server.running()


def test_a_number_that_belongs_to_another_process_now_is_left_alone(tmp_path):
    state = tmp_path / "server.json"
    me = psutil.Process()
    state.write_text(json.dumps({"pid": me.pid, "born": me.create_time() - 1000}))
    process = LocalProcess(state)
    assert process.process() is None
    process.stop(1)  # would end this test run
    state.write_text("{ half a file")
    assert process.process() is None


def test_before_the_first_start_there_is_no_address(tmp_path, jar_cache):
    server = Neo4jServer(tmp_path / "new", jar_cache)
    assert not server.running()
    server.stop()
    with pytest.raises(Unavailable, match="`transitive up`"):
        server.details()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("gib", "heap", "cache"), [(1, 512, 128), (8, 819, 512), (24, 2048, 1536), (256, 2048, 4096)])
def test_memory_follows_the_machine(gib: int, heap: int, cache: int):
    memory = gib << 30
    assert neo4j_config.heap_mib(memory) == heap
    assert neo4j_config.page_cache_mib(memory) == cache
    assert f"-Xmx{heap}m" in neo4j_config.java_options(memory, Path("/t"))
    assert f"server.memory.pagecache.size={cache}m\n" in neo4j_config.neo4j_conf("h", "h", 1, 2, memory)
