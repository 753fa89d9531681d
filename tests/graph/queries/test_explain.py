"""Tests of explanations for each kind of positive, and of the saved queries, on a real server."""

from dataclasses import replace

import pytest

from graph.connection import Connection
from graph.errors import NotFound
from graph.generations.catalogue import held_out_videos
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import Linking, link
from graph.queries.browser_style import QUERIES, STYLE, grass, style_command
from graph.queries.explain import why_alike
from graph.queries.quadruples import list_quadruples
from tests.graph.linking_data import World, make_world, write_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(200, 7)


@pytest.fixture(scope="module")
def linking(world: World) -> Linking:
    return link(world.features, world.starts, replace(PAPER, parents=4, smallest=8))


@pytest.fixture
def linked(connection: Connection, world: World, linking: Linking) -> Connection:
    write_world(connection, world)
    write_generation(connection, linking, "context-1", held_out_videos(linking.video_ids))
    return connection


def test_each_kind_of_positive_and_what_it_rests_on(linked: Connection, world: World, linking: Linking) -> None:
    quadruple, distance = list_quadruples(linked, limit=1)[0]
    a, a_prime, b, b_prime = quadruple.a, quadruple.a_prime, quadruple.b, quadruple.b_prime
    kinds = {
        "A–A'": (a, a_prime),
        "A–B": (a, b),
        "A–B'": (a, b_prime),
        "A'–B": (a_prime, b),
        "A'–B'": (a_prime, b_prime),
    }
    groups = {frozenset(linking.patch_ids[i] for i in group) for group in linking.groups.tolist()}
    video = {patch.id: patch.video_id for patch in world.starts + world.ends}
    name = {clip.id: clip.name for clip in world.videos}
    held_out = set(held_out_videos(linking.video_ids))
    for positive, (one, other) in kinds.items():
        found = why_alike(linked, one, other)
        assert found.positive == positive
        assert (found.patches[0].id, found.patches[-1].id) == (one, other)
        assert list(found.videos) == [name[patch.video_id] for patch in found.patches]
        assert found.feature_model == "context-1"
        assert found.held_out == bool({video[one], video[other]} & held_out)
        for step in found.steps:
            if step.edge.kind == "inter":
                assert step.edge.distance == distance
                assert {frozenset(child.patch_ids) for child in step.children} == {g for g in groups if {a, b} <= g}
                assert step.parent_size == linking.parent_sizes[quadruple.a_parent]
            else:
                assert step.edge.track_length == 30
        text = found.sentences()
        assert len(text) == 1 + len(found.steps)
        assert positive in text[0]


def test_a_longer_chain_is_explained_and_is_no_training_pair(linked: Connection, linking: Linking) -> None:
    neighbours: dict[str, set[str]] = {}
    for edge in linking.edges:
        neighbours.setdefault(edge.a_id, set()).add(edge.b_id)
        neighbours.setdefault(edge.b_id, set()).add(edge.a_id)
    one, other = next(
        (one, other)
        for one in sorted(neighbours)
        for middle in sorted(neighbours[one])
        for other in sorted(neighbours[middle])
        if other != one and other not in neighbours[one]
    )
    found = why_alike(linked, one, other)
    assert found.positive == ""
    assert len(found.steps) == 2
    assert "not a training pair" in found.sentences()[0]


def test_nothing_joins_them(linked: Connection, world: World, linking: Linking) -> None:
    linked_ids = {end for edge in linking.edges for end in (edge.a_id, edge.b_id)}
    alone = [patch.id for patch in world.starts if patch.id not in linked_ids]
    with pytest.raises(NotFound, match="No path of at most"):
        why_alike(linked, alone[0], alone[1])
    with pytest.raises(NotFound, match="two different patches"):
        why_alike(linked, alone[0], alone[0])
    with pytest.raises(NotFound, match="There is no patch"):
        why_alike(linked, "0" * 16, alone[0])


def test_before_the_first_linking(connection: Connection) -> None:
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        why_alike(connection, "a", "b")


def test_every_saved_query_runs_and_shows_something(linked: Connection) -> None:
    quadruple, _ = list_quadruples(linked, limit=1)[0]
    written = {"part of its name": "mp4", "'one id'": f"'{quadruple.a_prime}'", "'other id'": f"'{quadruple.b_prime}'"}
    for query in QUERIES:
        cypher = query.cypher
        for asked, answer in written.items():
            cypher = cypher.replace(asked, answer)
        rows = linked.read(cypher)
        assert rows or query.file == "07-failed-videos", query.file
        assert query.text.startswith(f"// {query.title}\n")
    assert len({query.file for query in QUERIES}) == len(QUERIES)


def test_the_style_names_what_the_graph_holds(linked: Connection) -> None:
    labels = {row["label"] for row in linked.read("MATCH (n) UNWIND labels(n) AS label RETURN DISTINCT label")}
    kinds = {"INTRA_INSTANCE", "INTER_INSTANCE"}
    assert {f"node.{label}" for label in labels - {"Current"}} <= set(STYLE)
    assert {f"relationship.{kind}" for kind in kinds} <= set(STYLE)
    assert grass().count("{\n") == len(STYLE)
    assert "\n" not in style_command()
