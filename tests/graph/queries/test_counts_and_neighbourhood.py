"""Tests of counts, neighbours and paths on a small hand-made graph, each against a plain loop over its edges.

video 0:  a0→b0   a1→b1        video 1:  a2→b2   a3→b3        video 2:  a4→b4   a5→b5   lone
inter-instance, generation "now":  a0–a2  a2–a4  a1–a3          in an older one:  a0–a5
"""

import itertools

import pytest

from graph.connection import Connection
from graph.errors import InvalidInput, NotFound
from graph.queries.counts import graph_counts
from graph.queries.neighbourhood import neighbours, path
from graph.records import GraphCounts, IntraInstance, Patch, Video
from graph.videos import write_video

INTRA = {(f"a{n}", f"b{n}") for n in range(6)}
NOW = {("a0", "a2"), ("a2", "a4"), ("a1", "a3")}
BEFORE = {("a0", "a5")}

_INTER = """
UNWIND $edges AS edge
MATCH (a:Patch {id: edge[0]}), (b:Patch {id: edge[1]})
CREATE (a)-[:INTER_INSTANCE {generation: $generation, distance: 0.25, bucket: 0, held_out: false, parent: 0}]->(b)
"""
_CLUSTERS = """
CREATE (c:ParentCluster {generation: $generation, id: 0, size: 3})
WITH c MATCH (a:Patch) WHERE a.id IN ['a0', 'a2', 'a4'] CREATE (a)-[:IN_PARENT]->(c)
"""


def patch(name: str, video: int) -> Patch:
    return Patch(name, f"{video:032x}", 0, 0.0, 0, 0, 96, 96, "start" if name[0] == "a" else "end")


@pytest.fixture
def drawn(connection: Connection) -> Connection:
    for video in range(3):
        names = [f"{side}{n}" for n in (2 * video, 2 * video + 1) for side in "ab"] + (["lone"] if video == 2 else [])
        tracks = [IntraInstance(a, b, 30, 0.5, {}) for a, b in sorted(INTRA) if a in names]
        write_video(
            connection, Video(f"{video:032x}", "v", frames=100 + video), [patch(n, video) for n in names], tracks
        )
    write_video(connection, Video("f" * 32, "broken", frames=7, status="failed", reason="cut short"), [], [])
    connection.write("CREATE (:Generation {id: 'before', state: 'ready'})")
    connection.write("CREATE (:Current {name: 'generation'})-[:IS]->(:Generation {id: 'now', state: 'ready'})")
    connection.write(_INTER, edges=sorted(map(list, NOW)), generation="now")
    connection.write(_INTER, edges=sorted(map(list, BEFORE)), generation="before")
    connection.write(_CLUSTERS, generation="now")
    return connection


def near(centre: str, edges: set[tuple[str, str]], depth: int) -> dict[str, int]:
    """Return the patches within `depth` edges by breadth-first search."""
    levels = {centre: 0}
    for level in range(1, depth + 1):
        for a, b in itertools.chain(edges, ((b, a) for a, b in edges)):
            if levels.get(a, depth) < level:
                levels.setdefault(b, level)
    del levels[centre]
    return levels


def test_an_empty_graph_counts_nothing(connection):
    assert graph_counts(connection) == GraphCounts()


def test_counts_are_those_of_ready_videos_and_the_current_generation(drawn):
    quadruples = sum(1 for a, b in NOW for s, _ in INTRA for t, _ in INTRA if (a, b) == (s, t))
    assert graph_counts(drawn) == GraphCounts(
        videos=3, frames=303, patches=13, tracks=6, intra_instance=6, inter_instance=3, parent_clusters=1,
        child_clusters=0, quadruples=quadruples,
    )  # fmt: skip
    assert quadruples == 3


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize(("kind", "edges"), [("intra", INTRA), ("inter", NOW), ("both", INTRA | NOW)])
def test_neighbours_are_what_a_walk_over_the_edges_reaches(drawn, kind, edges, depth: int):
    for centre in ("a0", "b4", "lone"):
        found = neighbours(drawn, centre, kind, depth)
        assert {n.patch.id: n.depth for n in found.neighbours} == near(centre, edges, depth)
        reached = {centre, *near(centre, edges, depth)}
        assert {(e.from_id, e.to_id) for e in found.edges} <= {e for e in edges if set(e) <= reached}
        assert found.complete


def test_edges_say_why(drawn):
    edges = {edge.kind: edge for edge in neighbours(drawn, "a0").edges}
    assert (edges["intra"].track_length, edges["intra"].confidence, edges["intra"].distance) == (30, 0.5, None)
    assert (edges["inter"].track_length, edges["inter"].confidence, edges["inter"].distance) == (None, None, 0.25)


def test_a_neighbourhood_too_large_to_draw_says_so(drawn, monkeypatch):
    monkeypatch.setattr("graph.queries.neighbourhood.MAX_PATCHES", 2)
    found = neighbours(drawn, "a0", "both", 3)
    assert len(found.neighbours) == 2
    assert not found.complete


def test_a_path_is_the_shortest_with_its_clusters(drawn):
    found = path(drawn, "b0", "b4")
    assert [p.id for p in found.patches] == ["b0", "a0", "a2", "a4", "b4"]
    assert [e.kind for e in found.edges] == ["intra", "inter", "inter", "intra"]
    assert found.parents == (0, 0, 0, 0, 0)  # an end has its start's parent
    assert [p.id for p in path(drawn, "a3", "b1").patches] == ["a3", "a1", "b1"]
    assert path(drawn, "a3", "b1").parents == (None, None, None)
    assert path(drawn, "a0", "a0").edges == ()


def test_old_generations_lead_nowhere(drawn):
    with pytest.raises(NotFound, match="No path of at most 30 edges connects patches a0 and a5"):
        path(drawn, "a0", "a5")


def test_wrong_questions_are_refused(drawn):
    with pytest.raises(NotFound, match="no patch nix"):
        neighbours(drawn, "nix")
    with pytest.raises(NotFound, match="no patch nix"):
        path(drawn, "a0", "nix")
    with pytest.raises(InvalidInput, match="intra, inter or both"):
        neighbours(drawn, "a0", "all")  # type: ignore[arg-type]
    for depth in (0, 7):
        with pytest.raises(InvalidInput, match="must be 1 to 6"):
            neighbours(drawn, "a0", "both", depth)
