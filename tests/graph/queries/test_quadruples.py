"""Tests of quadruples from a real Neo4j against a join in plain loops: complete, distinct, in a deterministic order."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from graph.connection import Connection
from graph.errors import NotFound
from graph.generations import batches
from graph.generations.batches import bucket_of
from graph.generations.catalogue import Generation, delete_generation, get_generation, held_out_videos
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import Linking, link
from graph.queries.quadruples import QuadrupleFilter, count_quadruples, list_quadruples, stream
from graph.queries.shuffle import shuffled
from graph.records import Quadruple
from tests.graph.linking_data import World, make_world, write_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(400, 9, spare_tracks=60)  # some starts have two tracks, and the join must return both


@pytest.fixture(scope="module")
def linking(world: World) -> Linking:
    return link(world.features, world.starts, replace(PAPER, parents=5, smallest=8))


@pytest.fixture
def generation(connection: Connection, world: World, linking: Linking, monkeypatch: pytest.MonkeyPatch) -> Generation:
    monkeypatch.setattr(batches, "BUCKET_ROWS", 16)
    write_world(connection, world)
    held_out = held_out_videos(linking.video_ids)
    return get_generation(connection, write_generation(connection, linking, "context", held_out))


def join(world: World, linking: Linking) -> list[Quadruple]:
    """Return every combination of an A-B with an A-A' and a B-B'."""
    ends: dict[str, list[str]] = {}
    for track in world.tracks:
        ends.setdefault(track.start_id, []).append(track.end_id)
    parent = dict(zip(linking.patch_ids, linking.parents.tolist(), strict=True))
    return [
        Quadruple(edge.a_id, a_prime, edge.b_id, b_prime, parent[edge.a_id], parent[edge.b_id])
        for edge in linking.edges
        for a_prime in ends[edge.a_id]
        for b_prime in ends[edge.b_id]
    ]


def has_video(world: World, videos: set[str]):
    video = {patch.id: patch.video_id for patch in world.starts}
    return lambda row: bool({video[row.a], video[row.b]} & videos)


def flat(batches) -> list[Quadruple]:
    return [row for batch in batches for row in batch]


def test_streams_the_join_once_each(
    connection: Connection, world: World, linking: Linking, generation: Generation
) -> None:
    expected = join(world, linking)
    held = has_video(world, set(generation.held_out))
    training, kept_out = flat(stream(connection)), flat(stream(connection, held_out=True))
    assert len(training) > 100
    assert len(kept_out) > 5
    assert Counter(training) == Counter(row for row in expected if not held(row))
    assert Counter(kept_out) == Counter(row for row in expected if held(row))
    assert generation.quadruples == len(expected) > len(linking.edges)


def test_ends_at_several_lengths_give_a_quadruple_for_each_combination(
    connection: Connection, world: World, generation: Generation
) -> None:
    length = {(track.start_id, track.end_id): track.track_length for track in world.tracks}
    two = {patch.id for patch in world.starts[:60]}
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in flat(stream(connection)):
        if {row.a, row.b} <= two:
            found.setdefault((row.a, row.b), []).append((length[row.a, row.a_prime], length[row.b, row.b_prime]))
    assert found
    assert all(sorted(pairs) == [(30, 30), (30, 60), (60, 30), (60, 60)] for pairs in found.values())
    assert generation.track_length == 30  # the shortest


def test_the_seed_and_the_epoch_decide_the_order(connection: Connection, generation: Generation) -> None:
    first = flat(stream(connection, seed=3))
    assert flat(stream(connection, seed=3)) == first
    for other in (stream(connection, seed=4), stream(connection, seed=3, epoch=1)):
        rows = flat(other)
        assert rows != first
        assert Counter(rows) == Counter(first)


def test_any_cursor_goes_on_where_it_stood(connection: Connection, generation: Generation) -> None:
    whole = flat(stream(connection, seed=3))
    for cursor in (0, 1, 17, len(whole) // 2, len(whole) - 1, len(whole), len(whole) + 5):
        assert flat(stream(connection, seed=3, cursor=cursor)) == whole[cursor:]


def test_a_running_stream_keeps_its_generation(connection: Connection, world: World, generation: Generation) -> None:
    whole = flat(stream(connection, seed=1))
    running = stream(connection, seed=1)
    got = next(running)
    write_generation(connection, link(world.features, world.starts, replace(PAPER, seed=8)), "context")
    got += flat(running)
    assert got == whole
    running = stream(connection, generation.id)
    next(running)
    delete_generation(connection, generation.id)
    with pytest.raises(NotFound, match=f"There is no generation {generation.id}"):
        flat(running)


def test_counts_by_kind(connection: Connection, world: World, linking: Linking, generation: Generation) -> None:
    expected = join(world, linking)
    held = has_video(world, set(generation.held_out))
    counts = count_quadruples(connection)
    assert counts.quadruples == len(expected)
    assert counts.training == sum(not held(row) for row in expected)
    assert counts.a_b == len(linking.edges)
    assert counts.intra_instance == len(
        {(row.a, row.a_prime) for row in expected} | {(row.b, row.b_prime) for row in expected}
    )
    pairs = [
        {kind(row) for row in expected}
        for kind in (
            lambda row: (row.a, row.b_prime),
            lambda row: (row.a_prime, row.b),
            lambda row: (row.a_prime, row.b_prime),
        )
    ]
    assert len(pairs[2]) == len(expected)
    assert counts.transitive == 3 * len(expected)


@pytest.mark.parametrize(
    "conditions",
    [
        QuadrupleFilter(),
        QuadrupleFilter(parent=2),
        QuadrupleFilter(video="video"),
        QuadrupleFilter(confidence=0.6),
        QuadrupleFilter(largest_distance=0.15),
        QuadrupleFilter(held_out=True),
        QuadrupleFilter(held_out=False, confidence=0.3, largest_distance=0.2),
    ],
    ids=str,
)
def test_pages_with_filters(
    connection: Connection, world: World, linking: Linking, generation: Generation, conditions: QuadrupleFilter
) -> None:
    if conditions.video:
        conditions = QuadrupleFilter(video=world.videos[2].id)
    distance = {(edge.a_id, edge.b_id): edge.distance for edge in linking.edges}
    confidence = {(track.start_id, track.end_id): track.confidence for track in world.tracks}
    held = has_video(world, set(generation.held_out))
    expected = [
        row
        for row in join(world, linking)
        if (conditions.parent is None or row.a_parent == conditions.parent)
        and (conditions.video is None or has_video(world, {conditions.video})(row))
        and (
            conditions.confidence is None
            or min(confidence[row.a, row.a_prime], confidence[row.b, row.b_prime]) >= conditions.confidence
        )
        and (conditions.largest_distance is None or distance[row.a, row.b] <= conditions.largest_distance)
        and (conditions.held_out is None or held(row) == conditions.held_out)
    ]
    assert expected
    rows, after = [], ("", "", "", "")
    while page := list_quadruples(connection, None, conditions, after, limit=13):
        assert len(page) <= 13
        last = page[-1][0]
        after = (last.a, last.b, last.a_prime, last.b_prime)
        rows += page
    assert [row for row, _ in rows] == sorted(expected, key=lambda row: (row.a, row.b, row.a_prime, row.b_prime))
    assert all(found == distance[row.a, row.b] for row, found in rows)


def test_a_generation_without_edges_streams_nothing(connection: Connection, world: World) -> None:
    write_world(connection, world)
    empty = link(
        world.features, world.starts, replace(PAPER, neighbours=1)
    )  # with one neighbour there is no group of 4
    assert not empty.edges
    write_generation(connection, empty, "context")
    assert flat(stream(connection)) == []
    assert list_quadruples(connection) == []
    counts = count_quadruples(connection)
    assert (counts.quadruples, counts.a_b, counts.intra_instance, counts.transitive) == (0, 0, 0, 0)


def test_nothing_linked_yet(connection: Connection) -> None:
    for ask in (count_quadruples, list_quadruples, stream):
        with pytest.raises(NotFound, match="Nothing is linked yet"):
            ask(connection)


def rows_of(count: int, seed: int = 0) -> list[Quadruple]:
    names = [f"{number:08x}" for number in np.random.default_rng(seed).permutation(4 * count)]
    return [Quadruple(*names[4 * n : 4 * n + 4], 0, 0) for n in range(count)]


def test_the_shuffle_is_the_same_from_any_source_of_the_same_rows() -> None:
    """The graph and a pack file return a bucket's rows in different orders, but the sequence is the same."""
    buckets = [rows_of(size, seed) for seed, size in enumerate([5, 0, 9, 1, 30])]
    backwards = [bucket[::-1] for bucket in buckets]
    sizes = [len(bucket) for bucket in buckets]
    one = flat(shuffled(buckets.__getitem__, sizes, seed=4, epoch=2))
    assert flat(shuffled(backwards.__getitem__, sizes, seed=4, epoch=2)) == one
    for cursor in range(len(one) + 1):
        assert flat(shuffled(buckets.__getitem__, sizes, 4, 2, cursor)) == one[cursor:]


def test_skipping_reads_no_bucket_that_was_done() -> None:
    buckets = [rows_of(10, seed) for seed in range(20)]
    read = []

    def reader(bucket: int) -> list[Quadruple]:
        read.append(bucket)
        return buckets[bucket]

    assert len(flat(shuffled(reader, [10] * 20, 0, 0, 155))) == 45
    assert len(read) == 5


def test_the_sequence_of_a_seed_is_what_it_was() -> None:
    """The golden order: a change would alter every training that is resumed."""
    buckets = [[Quadruple(f"{b}{n}", "", "", "", 0, 0) for n in range(3)] for b in range(3)]
    sequence = [row.a for row in flat(shuffled(buckets.__getitem__, [3, 3, 3], seed=1, epoch=1))]
    assert json.dumps(sequence) == GOLDEN
    assert [bucket_of("a", "b", 1000), bucket_of("b", "a", 1000), bucket_of("00ff", "01aa", 7)] == GOLDEN_BUCKETS


def test_buckets_are_even() -> None:
    sizes = np.bincount([bucket_of(f"{n:016x}", f"{n * 7:016x}", 64) for n in range(64_000)], minlength=64)
    assert abs(sizes - 1000).max() < 5 * np.sqrt(1000)


GOLDEN = '["21", "22", "20", "02", "00", "01", "11", "12", "10"]'
GOLDEN_BUCKETS = [927, 971, 1]
