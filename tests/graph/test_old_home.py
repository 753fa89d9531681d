"""A graph that commit 9c04fcb (2026-11-27) wrote is read by today's queries, jobs and links included.

home_of_2026_11_27.json has every node and edge of it: [label, properties] and [start, type, end, properties].
"""

import json
from itertools import chain
from pathlib import Path

from graph import jobs, models, videos
from graph.connection import Connection
from graph.generations.catalogue import require_generation, unlinked_videos
from graph.linking.parameters import LinkParameters, stored_parameters
from graph.queries.clusters import list_parents
from graph.queries.counts import graph_counts
from graph.queries.explain import why_alike
from graph.queries.quadruples import count_quadruples, stream
from graph.queries.tracks import all_tracks
from graph.schema import apply_schema
from workers.requests import LinkRequest, TrainRequest, parse_request

HOME = Path(__file__).with_name("home_of_2026_11_27.json")


def write_home(connection: Connection) -> None:
    home = json.loads(HOME.read_text())
    numbered = [[number, *node] for number, node in enumerate(home["nodes"])]
    for label in {label for label, _ in home["nodes"]}:
        rows = [[number, properties] for number, name, properties in numbered if name == label]
        connection.write(f"UNWIND $rows AS row CREATE (n:{label}) SET n = row[1], n.number = row[0]", rows=rows)
    for kind in {kind for _, kind, _, _ in home["edges"]}:
        rows = [[start, end, properties] for start, name, end, properties in home["edges"] if name == kind]
        connection.write(
            f"UNWIND $rows AS row MATCH (a {{number: row[0]}}) MATCH (b {{number: row[1]}}) "
            f"CREATE (a)-[e:{kind}]->(b) SET e = row[2]",
            rows=rows,
        )
    connection.write("MATCH (n) REMOVE n.number")


def test_a_home_of_an_earlier_version_opens(connection: Connection) -> None:
    write_home(connection)
    apply_schema(connection)

    assert [video.name for video in videos.list_videos(connection)] == ["000.mp4", "001.mp4", "002.mp4", "003.mp4"]
    counts = graph_counts(connection)
    assert (counts.patches, counts.tracks, counts.inter_instance, counts.quadruples) == (24, 12, 39, 39)
    generation = require_generation(connection)
    assert unlinked_videos(connection) == 0
    assert stored_parameters(generation.parameters) == LinkParameters(
        parents=2, smallest=2, neighbours=10, group=2, remove_mean=False, linked_share=1.0
    )
    assert {parent.size for parent in list_parents(connection)} == {2, 10}
    assert count_quadruples(connection).training == 22
    read = [list(chain(*stream(connection, held_out=held_out))) for held_out in (False, True)]
    assert [len(quadruples) for quadruples in read] == [22, 17]
    assert len(list(all_tracks(connection, generation.id))) == 12
    assert why_alike(connection, read[0][0].a_prime, read[0][0].b_prime).sentences()
    (model,) = models.newest_models(connection, embedding=True)
    assert (model.recipe, model.generation) == ("transitive", generation.id)


def test_jobs_of_an_earlier_version_are_read_and_go_on(connection: Connection) -> None:
    write_home(connection)
    found = {job.id: job for job in jobs.list_jobs(connection)}
    assert {job.kind: job.state for job in found.values()} == {"train": "queued", "link": "done"}
    requests = {
        job.kind: parse_request(job.kind, jobs.job_arguments(connection, identifier))
        for identifier, job in found.items()
    }
    assert requests["train"] == TrainRequest("transitive", "demo")
    assert requests["link"] == LinkRequest("hog", parameters=LinkParameters(neighbours=10, group=4))
    claimed = jobs.claim_job(connection, "a" * 24, "host|1|1|b")
    assert claimed is not None
    assert claimed[0].state == "running"
