"""A world of videos with features, and what the tests of linking read back from the graph."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.connection import Connection
from graph.linking.children import children, pairs_of
from graph.linking.parameters import PAPER
from graph.linking.track_starts import track_starts_of
from graph.records import Patch
from tests.graph.linking_data import World, write_world
from workers.requests import LinkRequest
from workers.stage_context import StageContext

REQUEST = LinkRequest("net", parameters=replace(PAPER, parents=5, smallest=8))
JOIN = LinkRequest(join=True)
GRAPH = """
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
RETURN e.generation AS generation, a.id AS a, b.id AS b, e.distance AS distance
"""
MEMBERS = (
    "MATCH (p:Patch)-[:IN_PARENT]->(c:ParentCluster {generation: $generation}) RETURN p.id AS patch, c.id AS parent"
)
GROUPS = """
MATCH (p:Patch)-[:IN_CHILD]->(c:ChildCluster {generation: $generation})
RETURN c.id AS child, collect(p.id) AS patches
"""


def numbered(**parameters: Any) -> LinkRequest:
    """Return the request with other link parameters."""
    return replace(REQUEST, parameters=replace(REQUEST.parameters, **parameters))


def add(context: StageContext, world: World, videos: slice = slice(None)) -> None:
    """Write some videos of a world and their features."""
    chosen = {video.id for video in world.videos[videos]}
    inside = [row for row, patch in enumerate(world.starts) if patch.video_id in chosen]
    part = World(
        [video for video in world.videos if video.id in chosen],
        [world.starts[row] for row in inside],
        [patch for patch in world.ends if patch.video_id in chosen],
        [track for track in world.tracks if track.start_id in {world.starts[row].id for row in inside}],
        world.features[inside],
    )
    write_world(context.connection, part)
    for video in part.videos:
        rows = [row for row in inside if world.starts[row].video_id == video.id]
        context.shards.write_vectors(
            f"features/net/{video.id}", [world.starts[r].id for r in rows], world.features[rows]
        )


def edges(connection: Connection, generation: str) -> set[tuple[str, str, float]]:
    rows = connection.read(GRAPH)
    return {(row["a"], row["b"], row["distance"]) for row in rows if row["generation"] == generation}


def left_over(context: StageContext) -> list[Path]:
    root = Path(context.settings.data)
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and path.parts[len(root.parts)] not in ("features", "centroids")
    ]


def stored(connection: Connection, generation: str) -> tuple[dict[str, int], set[frozenset[str]], set[tuple[str, str]]]:
    parent = {row["patch"]: row["parent"] for row in connection.read(MEMBERS, generation=generation)}
    groups = {frozenset(row["patches"]) for row in connection.read(GROUPS, generation=generation)}
    return parent, groups, {(a, b) for a, b, _ in edges(connection, generation)}


def definition(
    world: World, starts: list[Patch], parent: dict[str, int], neighbours: int = 10, group: int = 4
) -> tuple[set[frozenset[str]], set[tuple[str, str]]]:
    """Return section 4.2's children of these parents by `children`, which is tested against plain loops elsewhere."""
    rows = {patch.id: row for row, patch in enumerate(world.starts)}
    groups: set[frozenset[str]] = set()
    pairs: set[tuple[str, str]] = set()
    for number in sorted(set(parent.values())):
        inside, _ = track_starts_of([patch for patch in starts if parent.get(patch.id) == number])
        vectors = world.features[[rows[patch] for patch in inside.ids]]
        found = children(vectors, inside.videos, inside.frames, inside.boxes, neighbours=neighbours, group=group)
        groups |= {frozenset(inside.ids[row] for row in rows_of_child) for rows_of_child in found.tolist()}
        pairs |= {(inside.ids[a], inside.ids[b]) for a, b in pairs_of(found, len(inside)).tolist()}
    return groups, pairs
