"""End-to-end test: commands take clips to embeddings on real servers, and a second run changes nothing."""

import json
from pathlib import Path

import numpy as np

from graph.connection import Connection
from graph.generations.catalogue import require_generation
from tests.integration.commands.conftest import LearnedHome, whole_way
from tests.integration.conftest import Workshop, assert_files_match, graph_sets
from training.pack import PackSource
from workers.stage_context import StageContext
from workers.training_source import GraphSource

COUNTS = {
    "videos": "MATCH (n:Video {status: 'ready'}) RETURN count(n) AS n",
    "frames": "MATCH (n:Video {status: 'ready'}) RETURN sum(n.frames) AS n",
    "patches": "MATCH (n:Patch) RETURN count(n) AS n",
    "tracks": "MATCH (:Patch {role: 'start'})-[e:INTRA_INSTANCE]->(:Patch {role: 'end'}) RETURN count(e) AS n",
    "intra_instance": "MATCH ()-[e:INTRA_INSTANCE]->() RETURN count(e) AS n",
    "inter_instance": "MATCH ()-[e:INTER_INSTANCE]->() RETURN count(e) AS n",
    "parent_clusters": "MATCH (n:ParentCluster) RETURN count(n) AS n",
    "child_clusters": "MATCH (n:ChildCluster) RETURN count(n) AS n",
    "rejected": "MATCH (:Patch)-[e:REJECTED]->(:Patch) RETURN count(e) AS n",
    "no_object": "MATCH (n:Patch) WHERE n.no_object RETURN count(n) AS n",
    "quadruples": "MATCH (:Patch)<-[:INTRA_INSTANCE]-(:Patch)-[:INTER_INSTANCE]->(:Patch)-[:INTRA_INSTANCE]->(:Patch)"
    " RETURN count(*) AS n",
}


def test_the_whole_way_twice_gives_one_graph_and_the_report_counts_it(learned: LearnedHome, tmp_path: Path) -> None:
    workshop, connection, facts = learned.workshop, learned.connection, learned.report
    first = graph_sets(connection)
    assert not first["doubles"]
    assert all(first[name] for name in ("patches", "intra", "inter", "parents", "children", "models"))
    counted = {name: connection.read(query)[0]["n"] for name, query in COUNTS.items()}
    assert facts["graph"] == counted
    assert json.loads(workshop.run("status", "--json").out)["graph"] == counted
    assert_files_match(workshop, connection)
    embedded = {
        patch
        for _, ids, _ in workshop.shards.all_vectors(f"embeddings/{facts['models']['after']['id']}")
        for patch in ids
    }
    assert embedded == {row[0] for row in first["patches"]}
    check_page(Path(str(facts["report"])), counted)
    for one in facts["cypher"]:
        assert connection.read(one["query"].replace("RETURN path", "RETURN length(path) AS length")), one["title"]
    check_pack(workshop, connection, tmp_path / "one file.pack")
    whole_way(workshop, learned.clips)
    assert graph_sets(connection) == first
    assert_files_match(workshop, connection)


def check_pack(workshop: Workshop, connection: Connection, pack: Path) -> None:
    """A pack and the graph give a training the same patches, pixels, links and sequence of quadruples."""
    result = workshop.run("export", "--pack", pack, "--json")
    assert result.code == 0, result.err
    context = StageContext(workshop.settings, connection, workshop.shards)
    packed, live = PackSource(pack), GraphSource(context, require_generation(connection))
    assert packed.fingerprint == live.fingerprint
    assert packed.table().ids == live.table().ids
    for name in ("video", "parent", "track", "held_out"):
        assert (getattr(packed.table(), name) == getattr(live.table(), name)).all()
    assert set(map(tuple, packed.links().tolist())) == set(map(tuple, live.links().tolist())) != set()
    assert list(packed.frames()) == list(live.frames())
    assert packed.patch_jpegs(live.table().ids[:7]) == live.patch_jpegs(live.table().ids[:7])
    for seed, epoch, skip in ((0, 0, 0), (3, 2, 0), (3, 2, 1)):
        sequence = np.concatenate(list(live.quadruples(seed, epoch, skip)))
        assert len(sequence)
        np.testing.assert_array_equal(np.concatenate(list(packed.quadruples(seed, epoch, skip))), sequence)


def check_page(page: Path, counted: dict[str, int]) -> None:
    """The page is self-contained: it embeds its pictures, loads nothing, and shows the numbers of report.json."""
    text = page.read_text()
    assert 'src="data:image/jpeg;base64,' in text
    assert 'src="http' not in text
    assert "<link" not in text
    assert "<script" not in text
    assert "<svg" in text
    assert text.count("<pre>") == 3
    beside = json.loads(page.with_name("report.json").read_text())
    assert beside["graph"] == counted
    assert any(loss > 0 for _, loss in beside["loss"]), "nothing was learned: no pair had a negative"
    assert beside["health"].keys() == {"before (pool5 of the start)", "after (embedding)"}
