"""Tests of a patch's parent cluster: the end of a track is in that of its start."""

from dataclasses import replace

from graph.connection import Connection
from graph.generations.catalogue import held_out_videos
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.queries.clusters import parent_of
from tests.graph.linking_data import make_world, write_world

TRACKS = "MATCH (a:Patch)-[:INTRA_INSTANCE]->(b:Patch) RETURN a.id AS start, b.id AS end"


def test_an_end_is_in_its_starts_parent_and_a_dropped_one_in_none(connection: Connection) -> None:
    world = make_world(60, 5)
    write_world(connection, world)
    assert parent_of(connection, world.starts[0].id) is None
    linking = link(world.features, world.starts, replace(PAPER, parents=3, smallest=8))
    write_generation(connection, linking, "net", held_out_videos(linking.video_ids))
    expected = {
        patch: None if parent < 0 else parent
        for patch, parent in zip(linking.patch_ids, linking.parents.tolist(), strict=True)
    }
    assert {patch: parent_of(connection, patch) for patch in expected} == expected
    tracks = connection.read(TRACKS)
    assert tracks
    assert {row["end"]: parent_of(connection, row["end"]) for row in tracks} == {
        row["end"]: expected[row["start"]] for row in tracks
    }
    assert parent_of(connection, "nobody") is None
