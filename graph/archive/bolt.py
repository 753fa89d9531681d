"""Import of an exported graph into an empty database over Bolt.

The states of videos and generations are written last, so an interrupted import never looks complete.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from graph.archive.export import REST
from graph.archive.tables import EDGES, NODES, read_rows
from graph.connection import Connection
from graph.identifiers import require_name
from graph.records import Progress

_ROWS = 5000
_KEYED = {"ParentCluster", "ChildCluster"}  # identified by generation and number

_NODES = {
    "Video": "UNWIND $rows AS row CREATE (n:Video) SET n = row",
    "Patch": "UNWIND $rows AS row CREATE (n:Patch) SET n = row",
    "ParentCluster": "UNWIND $rows AS row CREATE (n:ParentCluster) SET n = row",
    "ChildCluster": "UNWIND $rows AS row CREATE (n:ChildCluster) SET n = row",
}
# (a:Patch)-[e]->(b:Patch)
_BETWEEN_PATCHES = """
        UNWIND $rows AS row MATCH (a:Patch {{id: row[0]}}) MATCH (b:Patch {{id: row[1]}})
        CREATE (a)-[e:{kind}]->(b) SET e = row[2]
    """
# (a)-[e]->(b) of each type; a row is [id of a, id of b, properties]
_EDGES = {
    "HAS_PATCH": """
        UNWIND $rows AS row MATCH (a:Video {id: row[0]}) MATCH (b:Patch {id: row[1]})
        CREATE (a)-[e:HAS_PATCH]->(b) SET e = row[2]
    """,
    **{
        kind: _BETWEEN_PATCHES.format(kind=kind)
        for kind in ("INTRA_INSTANCE", "INTER_INSTANCE", "REJECTED", "ACCEPTED")
    },
    "IN_PARENT": """
        UNWIND $rows AS row MATCH (a:Patch {id: row[0]}) MATCH (b:ParentCluster {generation: row[1][0], id: row[1][1]})
        CREATE (a)-[e:IN_PARENT]->(b) SET e = row[2]
    """,
    "IN_CHILD": """
        UNWIND $rows AS row MATCH (a:Patch {id: row[0]}) MATCH (b:ChildCluster {generation: row[1][0], id: row[1][1]})
        CREATE (a)-[e:IN_CHILD]->(b) SET e = row[2]
    """,
}
_REST = {
    "Video": "UNWIND $rows AS row MATCH (n:Video {id: row.id}) SET n = row",
    "Generation": "UNWIND $rows AS row MERGE (n:Generation {id: row.id}) SET n = row",
    "Model": "UNWIND $rows AS row MERGE (n:Model {id: row.id}) SET n = row",
    # (c:Current)-[:IS]->(g)
    "Current": """
        UNWIND $rows AS row MATCH (g:Generation {id: row.generation})
        MERGE (c:Current {name: row.name}) MERGE (c)-[:IS]->(g)
    """,
    # (c:Current)-[:IS]->(m)
    "CurrentModel": """
        UNWIND $rows AS row MATCH (m:Model {id: row.model})
        MERGE (c:Current {name: row.name}) MERGE (c)-[:IS]->(m)
    """,
}
_EMPTY = "MATCH (n) WITH n LIMIT 5000 DETACH DELETE n RETURN count(*) AS deleted"
_COUNT = "MATCH (n) WHERE NOT n:Lock RETURN count(n) AS count"


def count_nodes(connection: Connection) -> int:
    """Return the number of nodes in the graph, without locks; raises `Unavailable`."""
    return int(connection.read(_COUNT)[0]["count"])


def empty_graph(connection: Connection, progress: Progress) -> None:
    """Delete all nodes and edges, e.g. those of an import that was killed."""
    removed = 0
    while deleted := connection.write(_EMPTY)[0]["deleted"]:
        removed += deleted
        progress("deleting", removed, 0, "nodes")


def write_graph(connection: Connection, folder: Path, counts: dict[str, int], progress: Progress) -> None:
    """Write nodes and relationships, then `write_rest`. The graph must be empty and have its constraints."""
    total = sum(counts.get(name, 0) for name in (*NODES, *EDGES))
    done = 0
    names: list[Any] = []  # ids of the nodes, by node number
    for label in NODES:
        for numbered in _batches(read_rows(folder, label)):
            rows = [row for _, row in numbered]
            connection.write(_NODES[label], rows=rows)
            names.extend([None] * (numbered[-1][0][0] + 1 - len(names)))
            for (number,), row in numbered:
                names[number] = [row["generation"], row["id"]] if label in _KEYED else row["id"]
            done += len(rows)
            progress("writing", done, total, "nodes and edges")
    for kind in EDGES:
        pairs = ([names[start], names[end], row] for (start, end), row in read_rows(folder, kind))
        for rows in _batches(pairs):
            connection.write(_EDGES[kind], rows=rows)
            done += len(rows)
            progress("writing", done, total, "nodes and edges")
    write_rest(connection, folder)


def write_rest(connection: Connection, folder: Path) -> None:
    """Write the properties of videos, generations and models, and which generation is current.

    Jobs in the file are skipped, because their work belongs to the exporting installation.
    """
    with (folder / REST).open(encoding="utf-8") as file:
        for rows in _batches(json.loads(line) for line in file):
            for label, query in _REST.items():
                some = [_checked(label, row["properties"]) for row in rows if row["label"] == label]
                if some:
                    connection.write(query, rows=some)


def _checked(label: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return a row's properties; raises `InvalidInput` if a name that becomes part of a path is invalid."""
    if label == "Video":
        require_name("video id", properties.get("id"))
    elif label == "Model":
        require_name("model id", properties.get("id"))
    elif label == "Generation":
        require_name("generation", properties.get("id"))
        require_name("name of features", properties.get("feature_model"))
    return properties


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, _ROWS)):
        yield batch
