"""Tests of export and import: a graph imported by neo4j-admin or over Bolt equals the exported one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.archive import bolt
from graph.archive.export import REST, export_graph
from graph.archive.files import copy_in, copy_out, open_export, seal
from graph.archive.tables import Tables, read_rows
from graph.connection import Connection
from graph.errors import Conflict, InvalidInput, NotFound, StorageError
from graph.feedback import judge_link, mark_no_object
from graph.generations.catalogue import LINKING, current_generation, held_out_videos
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.lock import graph_lock
from graph.models import write_model
from graph.records import Model, no_progress
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jServer
from graph.shards import Shards
from tests.graph.linking_data import World, make_world, write_world

NODES = "MATCH (n) WHERE NOT n:Lock AND NOT n:Job RETURN labels(n) AS labels, properties(n) AS properties"
EDGES = """
MATCH (a)-[e]->(b)
RETURN type(e) AS kind, labels(a) AS one, properties(a) AS a, labels(b) AS other, properties(b) AS b, properties(e) AS e
"""


def everything(connection: Connection) -> dict[str, Any]:
    """Return the counts of all nodes and relationships by their properties; 1 and 1.0 differ."""
    rows = [json.dumps(row, sort_keys=True) for query in (NODES, EDGES) for row in connection.read(query)]
    return {row: rows.count(row) for row in set(rows)} if len(rows) < 2000 else {"rows": sorted(rows)}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(150, 7, spare_tracks=20)


@pytest.fixture
def whole(connection: Connection, world: World) -> Connection:
    """A graph with two generations, a video with special characters in its name, a failed video, a model and a job."""
    write_world(connection, world)
    linking = link(world.features, world.starts, replace(PAPER, parents=3, smallest=8))
    write_generation(connection, linking, "net", held_out_videos(linking.video_ids))
    write_generation(connection, link(world.features, world.starts, replace(PAPER, seed=3)), "net")
    write_model(connection, Model("m", "transitive", "demo", 7, 4608, 1024, "g", "now"))
    for a, b in [(edge.a_id, edge.b_id) for edge in linking.edges[:3]]:
        judge_link(connection, a, b, "rejected" if a == linking.edges[0].a_id else "accepted", 'ada "the" critic')
    mark_no_object(connection, [world.ends[5].id], True, "bob")
    name = 'a "quoted", name\nof two lines; ümläut \\ \\"'
    connection.write("MATCH (v:Video) WITH v ORDER BY v.id LIMIT 1 SET v.name = $name", name=name)
    connection.write("CREATE (:Video {id: 'f', name: '', status: 'failed', reason: 'no video', fps: 0.0, frames: 0})")
    connection.write("CREATE (:Job {id: 'j', kind: 'link', state: 'done', created_at: 'x', done: 3})")
    return connection


@pytest.fixture
def exported(whole: Connection, tmp_path: Path) -> Path:
    folder = tmp_path / "ex port" / "graph"
    folder.mkdir(parents=True)
    counts = export_graph(whole, folder, no_progress)
    assert counts["Patch"] == counts["HAS_PATCH"] == 150 + 170
    assert counts["INTRA_INSTANCE"] == 170
    assert (counts["Video"], counts["Generation"], counts["Current"]) == (8, 2, 1)
    assert counts["REJECTED"] + counts.get("ACCEPTED", 0) == 3
    assert "Job" not in counts
    return folder


def test_by_neo4j_admin_it_is_the_same_graph(
    whole: Connection, exported: Path, tmp_path: Path, jar_cache: Path
) -> None:
    expected = everything(whole)
    server = Neo4jServer(tmp_path / "ho me", jar_cache, bolt_port=0, http_port=0)
    assert not server.has_graph
    server.load(exported)
    details = server.start()
    try:
        with details.connect() as connection:
            apply_schema(connection)
            bolt.write_rest(connection, exported)
            assert everything(connection) == expected
            assert current_generation(connection) == current_generation(whole)
        assert server.has_graph
        with pytest.raises(Conflict, match="transitive down"):
            server.load(exported)
    finally:
        server.stop()
    (exported / "Patch.0.csv").write_text(":ID,frame:long\n0,no number\n")
    with pytest.raises(StorageError, match="could not import"):
        server.load(exported)


def test_over_bolt_it_is_the_same_graph(whole: Connection, exported: Path) -> None:
    expected, generation = everything(whole), current_generation(whole)
    bolt.empty_graph(whole, no_progress)
    assert bolt.count_nodes(whole) == 0
    counts = {"Patch": 320}
    bolt.write_graph(whole, exported, counts, no_progress)
    assert everything(whole) == expected
    assert current_generation(whole) == generation


def test_an_empty_graph(connection: Connection, tmp_path: Path) -> None:
    assert export_graph(connection, tmp_path, no_progress) == {}
    bolt.write_graph(connection, tmp_path, {}, no_progress)
    assert everything(connection) == {}


def test_no_export_while_a_linking_runs(whole: Connection, tmp_path: Path) -> None:
    with graph_lock(whole, LINKING), pytest.raises(Conflict, match="Another linking is running"):
        export_graph(whole, tmp_path, no_progress)


def test_rows_of_different_properties_and_types_come_back_as_they_were(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"x": 1, "s": 'say "no", \\ you'},
        {"x": 1.0, "s": ""},
        {"x": True},
        {},
        {"x": 0.1 + 0.2, "s": "ü"},
    ]
    with Tables(tmp_path) as tables:
        assert [tables.node("Patch", properties) for properties in rows] == [0, 1, 2, 3, 4]
        with pytest.raises(StorageError, match="cannot be exported"):
            tables.node("Patch", {"x": [1]})
        tables.edge("INTRA_INSTANCE", 3, 1, {"y": 2})
    found = {number: properties for (number,), properties in read_rows(tmp_path, "Patch")}
    assert found == dict(enumerate(rows))
    assert [type(found[number]["x"]) for number in (0, 1, 2, 4)] == [int, float, bool, float]
    assert list(read_rows(tmp_path, "INTRA_INSTANCE")) == [([3, 1], {"y": 2})]


def test_files_go_out_and_in_and_are_checked(tmp_path: Path) -> None:
    home, other, folder = tmp_path / "home" / "data", tmp_path / "other" / "data", tmp_path / "export"
    (home / "models" / "m").mkdir(parents=True)
    (home / "models" / "m" / "weights").write_bytes(b"w" * 100)
    shards = Shards(str(home))
    shards.write_rows("patches/v", {"id": ["a"]})
    shards.write_rows("linking/run/plan", {"plan": ["x"]})
    (home / "patches" / "half.partial").write_text("half")
    (folder / "graph").mkdir(parents=True)
    copy_out(shards, home / "models", folder, no_progress)
    with pytest.raises(NotFound, match="is not an export"):
        open_export(folder)
    made = seal(folder, {"Patch": 1})
    assert set(made.files) == {"data/models/m/weights", "data/patches/v.parquet"}
    assert open_export(folder) == made
    copy_in(folder, made, Shards(str(other)), other / "models", no_progress)
    assert {p.relative_to(other).as_posix(): p.read_bytes() for p in other.rglob("*") if p.is_file()} == {
        name: (home / name).read_bytes() for name in ("models/m/weights", "patches/v.parquet")
    }
    weights = folder / "data" / "models" / "m" / "weights"
    weights.write_bytes(b"w" * 99)
    with pytest.raises(StorageError, match="weights is missing or truncated"):
        open_export(folder)
    (folder / "export.json").write_text('{"counts": {}, "files": {}, "format": 7}')
    with pytest.raises(InvalidInput, match="another release"):
        open_export(folder)
    (folder / "export.json").write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        open_export(folder)


def test_an_import_carries_no_work(connection: Connection, tmp_path: Path) -> None:
    job = {"id": "j", "kind": "ingest", "state": "queued", "arguments": '{"path": "/etc/passwd"}'}
    (tmp_path / REST).write_text(json.dumps({"label": "Job", "properties": job}) + "\n")
    bolt.write_rest(connection, tmp_path)
    assert connection.read("MATCH (n:Job) RETURN n") == []


@pytest.mark.parametrize(
    ("label", "properties"),
    [
        ("Model", {"id": "../../x"}),
        ("Model", {"id": "/etc"}),
        ("Video", {"id": "a/../../b"}),
        ("Generation", {"id": "g", "feature_model": "../x"}),
        ("Generation", {"id": "..", "feature_model": "hog"}),
        ("Model", {}),
    ],
)
def test_an_imported_name_leaves_no_folder(
    connection: Connection, tmp_path: Path, label: str, properties: dict[str, str]
) -> None:
    (tmp_path / REST).write_text(json.dumps({"label": label, "properties": properties}) + "\n")
    with pytest.raises(InvalidInput, match=r"is not a (model id|video id|generation|name of features)"):
        bolt.write_rest(connection, tmp_path)
    assert everything(connection) == {}


@pytest.mark.parametrize("place", ["data/patches/v.parquet", "graph/rest.jsonl", "data/models"])
def test_links_in_an_export_are_refused(tmp_path: Path, place: str) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "export"
    secret.mkdir()
    (secret / "file").write_text("secret")
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(secret if place.endswith("models") else secret / "file")
    seal(folder, {})
    with pytest.raises(InvalidInput, match="is a symbolic link"):
        open_export(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "data/../../x"])
def test_a_listed_file_outside_the_export_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "export.json").write_text(json.dumps({"counts": {}, "files": {name: 1}, "format": 2}))
    with pytest.raises(InvalidInput, match="below its folder"):
        open_export(tmp_path)


def test_files_that_are_not_listed_or_of_no_part_are_not_copied(tmp_path: Path) -> None:
    folder, home = tmp_path / "export", tmp_path / "home"
    (folder / "data" / "patches").mkdir(parents=True)
    (folder / "data" / "patches" / "v.parquet").write_bytes(b"v")
    seal(folder, {})
    (folder / "data" / "patches" / "later.parquet").write_bytes(b"not listed")
    copy_in(folder, open_export(folder), Shards(str(home)), home / "models", no_progress)
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["v.parquet"]
    (folder / "data" / "run").mkdir()
    (folder / "data" / "run" / "api.json").write_text("{}")
    (folder / "export.json").unlink()
    seal(folder, {})
    with pytest.raises(InvalidInput, match="in no folder of an export"):
        copy_in(folder, open_export(folder), Shards(str(home)), home / "models", no_progress)
