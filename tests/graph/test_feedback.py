"""Tests of feedback in a real Neo4j: rejected links are removed from the quadruples at once and can be restored."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from graph.connection import Connection
from graph.errors import NotFound
from graph.feedback import get_link, judge_link, list_judged_links, mark_no_object
from graph.generations import batches, writer
from graph.generations.catalogue import get_generation, require_generation
from graph.generations.recount import count_statement
from graph.generations.withheld import Withheld, read_withheld
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import Linking, link
from graph.queries.counts import graph_counts
from graph.queries.neighbourhood import neighbours
from graph.queries.quadruples import count_quadruples, list_quadruples, stream
from graph.records import Quadruple
from graph.videos import delete_video, get_patch
from tests.graph.linking_data import World, make_world, write_world

EDGE_SIZES = "MATCH (g:Generation {id: $id}) RETURN g.edge_sizes AS sizes"
COUNTING = "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery ENDS WITH 'RETURN max(sin(i)) AS waited'"
JUDGED = "MATCH (a)-[e:REJECTED|ACCEPTED]->(b) RETURN type(e) AS kind, a.id AS a, b.id AS b, e.by AS by"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(200, 9, spare_tracks=30)


@pytest.fixture(scope="module")
def linking(world: World) -> Linking:
    return link(world.features, world.starts, replace(PAPER, parents=4, smallest=8))


@pytest.fixture
def linked(connection: Connection, world: World, linking: Linking, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(batches, "BUCKET_ROWS", 16)
    write_world(connection, world)
    write_generation(connection, linking, "net", linking.video_ids[:1])
    return connection


def streamed(connection: Connection) -> set[Quadruple]:
    return {row for held_out in (False, True) for some in stream(connection, held_out=held_out) for row in some}


def assert_one_number(connection: Connection, expected: set[Quadruple]) -> None:
    """Every place that tells or lists quadruples or edges agrees with the set."""
    generation = require_generation(connection)
    assert streamed(connection) == expected
    assert {quadruple for quadruple, _ in list_quadruples(connection, limit=100_000)} == expected
    counts, told = graph_counts(connection), count_quadruples(connection)
    assert counts.quadruples == told.quadruples == generation.quadruples == len(expected)
    assert sum(generation.training_sizes) + sum(generation.held_out_sizes) == len(expected)
    edges = len({(row.a, row.b) for row in expected})
    assert counts.inter_instance == generation.edges == told.a_b == edges
    assert sum(connection.read(EDGE_SIZES, id=generation.id)[0]["sizes"]) == edges


def test_a_rejected_link_leaves_the_quadruples_and_comes_back(linked: Connection, linking: Linking) -> None:
    before = streamed(linked)
    edge = linking.edges[3]
    assert len(before) > 100
    answer = judge_link(linked, edge.b_id, edge.a_id, "rejected", "ada")
    assert (answer.a_id, answer.b_id, answer.state, answer.by) == (edge.a_id, edge.b_id, "rejected", "ada")
    assert answer.at.startswith("20")
    assert answer.distance == edge.distance
    assert_one_number(linked, {row for row in before if (row.a, row.b) != (edge.a_id, edge.b_id)})
    assert edge.b_id not in {found.patch.id for found in neighbours(linked, edge.a_id, "inter").neighbours}
    generation = require_generation(linked)
    assert (generation.quality["rejected_since"], graph_counts(linked).rejected) == (1, 1)
    assert generation.quality["rejected_share"] == 1 / len(linking.edges)

    judge_link(linked, edge.a_id, edge.b_id, "accepted", "bob")
    assert_one_number(linked, before)
    assert {tuple(row.values()) for row in linked.read(JUDGED)} == {("ACCEPTED", edge.a_id, edge.b_id, "bob")}
    judge_link(linked, edge.a_id, edge.b_id, "open")
    assert linked.read(JUDGED) == []
    assert get_link(linked, edge.a_id, edge.b_id).state == "open"


def test_only_pairs_that_were_linked_can_be_judged(linked: Connection, world: World, linking: Linking) -> None:
    pairs = {(edge.a_id, edge.b_id) for edge in linking.edges}
    first = linking.patch_ids[0]
    stranger = next(patch for patch in linking.patch_ids[1:] if (first, patch) not in pairs)
    for a, b in ((first, stranger), (first, "0" * 16), (first, world.ends[0].id)):
        with pytest.raises(NotFound, match="not linked"):
            judge_link(linked, a, b, "rejected")
        with pytest.raises(NotFound, match="not linked"):
            get_link(linked, a, b)
    assert linked.read(JUDGED) == []


def test_judged_links_page_by_key(linked: Connection, linking: Linking) -> None:
    judged = [(edge.a_id, edge.b_id) for edge in linking.edges[:7]]
    for number, (a, b) in enumerate(judged):
        judge_link(linked, a, b, "accepted" if number % 2 else "rejected")
    found, after = [], ("", "")
    while page := list_judged_links(linked, None, after, 2):
        found += [(link.a_id, link.b_id) for link in page]
        after = found[-1]
    assert found == sorted(judged)
    assert [(one.a_id, one.b_id) for one in list_judged_links(linked, "rejected")] == sorted(judged[::2])
    assert read_withheld(linked).pairs == tuple(sorted(judged[::2]))


def test_a_mark_takes_the_whole_track_out(linked: Connection, world: World, linking: Linking) -> None:
    before = streamed(linked)
    ends: dict[str, list[str]] = {}
    for track in world.tracks:
        ends.setdefault(track.start_id, []).append(track.end_id)
    start = next(edge.a_id for edge in linking.edges if len(ends[edge.a_id]) == 2)
    whole = {start, *ends[start]}
    assert set(mark_no_object(linked, [ends[start][0]], True, "ada")) == whole
    assert all(get_patch(linked, patch).no_object for patch in whole)
    assert graph_counts(linked).no_object == 3
    assert_one_number(linked, {row for row in before if start not in (row.a, row.b)})
    assert set(mark_no_object(linked, [start], False)) == whole
    assert not any(get_patch(linked, patch).no_object for patch in whole)
    assert_one_number(linked, before)
    assert linked.read("MATCH (p:Patch) WHERE p.no_object_by IS NOT NULL OR p.no_object_at IS NOT NULL RETURN p") == []


def test_an_unknown_patch_marks_nothing(linked: Connection, linking: Linking) -> None:
    with pytest.raises(NotFound, match="no patch ffff"):
        mark_no_object(linked, [linking.patch_ids[0], "f" * 16], True)
    assert read_withheld(linked) == Withheld()


def test_after_a_linked_video_is_deleted_there_is_one_number(linked: Connection, world: World) -> None:
    gone = world.videos[2].id
    video = {patch.id: patch.video_id for patch in world.starts}
    left = {row for row in streamed(linked) if gone not in (video[row.a], video[row.b])}
    delete_video(linked, gone)
    assert_one_number(linked, left)


def test_generations_of_an_earlier_version_are_counted_whole(linked: Connection, linking: Linking) -> None:
    before = streamed(linked)
    linked.write("MATCH (g:Generation) REMOVE g.edge_sizes, g.feedback")
    edge = linking.edges[0]
    judge_link(linked, edge.a_id, edge.b_id, "rejected")
    assert_one_number(linked, {row for row in before if (row.a, row.b) != (edge.a_id, edge.b_id)})


@pytest.mark.parametrize("state", ["rejected", "open"])
def test_every_generation_and_one_that_is_written_later_respects_it(
    linked: Connection, linking: Linking, state: str
) -> None:
    edge = linking.edges[5]
    first = require_generation(linked)
    judge_link(linked, edge.a_id, edge.b_id, "rejected")
    # a linking that had read the judgements before this one was made still holds the pair
    second = get_generation(linked, write_generation(linked, linking, "other", linking.video_ids[:1]))
    assert second.edges == len(linking.edges) - 1
    assert second.quality["rejected_since"] == 1
    wanted: Callable[[], set[int]] = lambda: {get_generation(linked, one.id).edges for one in (first, second)}  # noqa: E731
    assert wanted() == {len(linking.edges) - 1}
    if state == "open":
        judge_link(linked, edge.a_id, edge.b_id, "open")
        assert wanted() == {len(linking.edges)}


@pytest.mark.parametrize("judge", ["link", "mark"])
def test_a_judgement_while_a_generation_is_counted_is_in_its_counts(
    linked: Connection, linking: Linking, monkeypatch: pytest.MonkeyPatch, judge: str
) -> None:
    edge = linking.edges[7]
    before = streamed(linked)

    def slow(generation: str, buckets: int) -> tuple[str, dict[str, object]]:
        """Count, and then give a judgement the time to commit before the switch does."""
        query, parameters = count_statement(generation, buckets)
        return f"{query} WITH 1 AS counted UNWIND range(1, 4000000) AS i RETURN max(sin(i)) AS waited", parameters

    monkeypatch.setattr(writer, "count_statement", slow)
    writing = threading.Thread(target=write_generation, args=(linked, linking, "other", linking.video_ids[:1]))
    writing.start()
    while not linked.read(COUNTING):
        assert writing.is_alive()
    time.sleep(0.3)  # the count itself takes a few milliseconds
    if judge == "link":
        judge_link(linked, edge.a_id, edge.b_id, "rejected")
        gone = {row for row in before if (row.a, row.b) == (edge.a_id, edge.b_id)}
    else:
        mark_no_object(linked, [edge.a_id], True)
        gone = {row for row in before if edge.a_id in (row.a, row.b)}
    writing.join()
    assert require_generation(linked).feature_model == "other"
    assert_one_number(linked, before - gone)
