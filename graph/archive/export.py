"""Export of the whole graph into files: CSV tables (see `tables`), and JSON lines for the kinds with few nodes.

The server collects one video or one parent cluster into one row, because a row for every edge takes the driver four
times as long. Memory holds one video or one parent at a time.
"""

import json
from pathlib import Path

import numpy as np

from graph.archive.tables import VIDEO_IDS, Tables
from graph.connection import Connection
from graph.generations.catalogue import LINKING, Generation, list_generations
from graph.lock import graph_lock
from graph.records import Progress

REST = "rest.jsonl"  # one line for each video, generation and model; jobs are not exported
_AT_ONCE = 5000  # children per query

_VIDEO_IDS = """
MATCH (v:Video)
RETURN collect(v.id) AS ids
"""
# Patches are identified by the server's internal number id(p): deprecated, but a tenth as long as their id.
# (v)-[:HAS_PATCH]->(p)
_PATCHES = """
MATCH (:Video {id: $video})-[:HAS_PATCH]->(p:Patch)
RETURN collect([id(p), p {.*}]) AS patches
"""
# (v)-[:HAS_PATCH]->(a)-[e:INTRA_INSTANCE]->(b)
_TRACKS = """
MATCH (:Video {id: $video})-[:HAS_PATCH]->(a:Patch)-[e:INTRA_INSTANCE]->(b:Patch)
RETURN collect([id(a), id(b), e {.*}]) AS tracks
"""
# (a)-[e:REJECTED|ACCEPTED]->(b)   judgements (graph/feedback.py)
_JUDGEMENTS = """
MATCH (a:Patch)-[e:REJECTED|ACCEPTED]->(b:Patch)
RETURN type(e) AS kind, id(a) AS a, id(b) AS b, e {.*} AS properties
"""
_PARENTS = """
MATCH (c:ParentCluster) WHERE c.generation = $generation AND c.id >= 0
RETURN collect(c {.*}) AS parents
"""
# (p)-[:IN_PARENT]->(c)
_MEMBERS = """
MATCH (p:Patch)-[:IN_PARENT]->(:ParentCluster {generation: $generation, id: $parent})
RETURN collect(id(p)) AS members
"""
# (c)<-[:IN_PARENT]-(a)-[e:INTER_INSTANCE]->(b)
_EDGES = """
MATCH (:ParentCluster {generation: $generation, id: $parent})<-[:IN_PARENT]-(a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation
RETURN collect([id(a), id(b), e {.*}]) AS edges
"""
# (p)-[:IN_CHILD]->(c)
_CHILDREN = """
MATCH (c:ChildCluster) WHERE c.generation = $generation AND c.id >= $first AND c.id < $first + $limit
RETURN collect([c {.*}, [(p:Patch)-[:IN_CHILD]->(c) | id(p)]]) AS children
"""
_SMALL = {
    "Video": "MATCH (n:Video) RETURN n {.*} AS properties ORDER BY n.id",
    "Generation": "MATCH (n:Generation {state: 'ready'}) RETURN n {.*} AS properties ORDER BY n.id",
    "Model": "MATCH (n:Model) RETURN n {.*} AS properties ORDER BY n.id",
    "Current": "MATCH (n:Current)-[:IS]->(g:Generation) RETURN n {.*, generation: g.id} AS properties",
    "CurrentModel": "MATCH (n:Current)-[:IS]->(m:Model) RETURN n {.*, model: m.id} AS properties",
}


class _Numbers:
    """Map from the server's internal number of a patch to its node number in the export, in four bytes per patch."""

    def __init__(self) -> None:
        self._at = np.full(1 << 16, -1, np.int32)

    def __setitem__(self, inside: int, number: int) -> None:
        if inside >= len(self._at):
            self._at = np.concatenate([self._at, np.full(inside + 1, -1, np.int32)])
        self._at[inside] = number

    def __getitem__(self, inside: int) -> int:
        return int(self._at[inside])


def export_graph(connection: Connection, folder: Path, progress: Progress) -> dict[str, int]:
    """Write the graph into `folder`; returns the number of nodes and relationships of each kind.

    Raises `Unavailable`, and `Conflict` while a linking is running, because its generation is half written.
    """
    with graph_lock(connection, LINKING), Tables(folder) as tables:
        ids: list[str] = connection.read(_VIDEO_IDS)[0]["ids"]
        numbers = _Numbers()
        for done, video in enumerate(ids):
            progress("exporting videos", done, len(ids), "videos")
            _export_video(connection, tables, numbers, video)
        for row in connection.stream(_JUDGEMENTS):
            tables.edge(row["kind"], numbers[row["a"]], numbers[row["b"]], row["properties"])
        for generation in list_generations(connection):
            _export_generation(connection, tables, numbers, generation, progress)
        counts = dict(tables.rows)
        with (folder / REST).open("w", encoding="utf-8") as file:
            for label, query in _SMALL.items():
                for row in connection.stream(query):
                    file.write(json.dumps({"label": label, "properties": row["properties"]}) + "\n")
                    counts[label] = counts.get(label, 0) + (label != "Video")
    return {name: count for name, count in sorted(counts.items()) if count}


def _export_video(connection: Connection, tables: Tables, numbers: _Numbers, video: str) -> None:
    number = tables.node(VIDEO_IDS, {"id": video})
    for inside, patch in connection.read(_PATCHES, video=video)[0]["patches"]:
        numbers[inside] = tables.node("Patch", patch)
        tables.edge("HAS_PATCH", number, numbers[inside], {})
    for start, end, properties in connection.read(_TRACKS, video=video)[0]["tracks"]:
        tables.edge("INTRA_INSTANCE", numbers[start], numbers[end], properties)


def _export_generation(
    connection: Connection, tables: Tables, numbers: _Numbers, generation: Generation, progress: Progress
) -> None:
    parents = connection.read(_PARENTS, generation=generation.id)[0]["parents"]
    for done, parent in enumerate(parents):
        progress(f"exporting generation {generation.id}", done, len(parents), "parents")
        asked = {"generation": generation.id, "parent": parent["id"]}
        cluster = tables.node("ParentCluster", parent)
        for member in connection.read(_MEMBERS, **asked)[0]["members"]:
            tables.edge("IN_PARENT", numbers[member], cluster, {})
        for a, b, properties in connection.read(_EDGES, **asked)[0]["edges"]:
            tables.edge("INTER_INSTANCE", numbers[a], numbers[b], properties)
    for first in range(0, generation.children, _AT_ONCE):
        rows = connection.read(_CHILDREN, generation=generation.id, first=first, limit=_AT_ONCE)
        for child, members in rows[0]["children"]:
            cluster = tables.node("ChildCluster", child)
            for member in members:
                tables.edge("IN_CHILD", numbers[member], cluster, {})
