"""Records read from the properties of nodes: one by its id, or a page in the order of the ids."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from graph.connection import Connection
from graph.errors import NotFound, Unavailable
from graph.records import Job, Model, Patch, Video

R = TypeVar("R", Video, Patch, Job, Model)

_LABELS = ("Video", "Patch", "Model")  # the labels of the nodes are the names of the records
_GET = {label: f"MATCH (n:{label} {{id: $id}}) RETURN n {{.*}} AS node" for label in _LABELS}
_LIST = {
    label: f"MATCH (n:{label}) WHERE n.id > $after RETURN n {{.*}} AS node ORDER BY n.id LIMIT $limit"
    for label in _LABELS
}


def as_record(kind: type[R], properties: Mapping[str, Any]) -> R:
    """Build a record from the properties that are its fields; other properties of the node are ignored.

    Raises `Unavailable` if a required one is missing, as in a node that was read in the middle of its deletion.
    """
    known = {field.name: properties[field.name] for field in fields(kind) if properties.get(field.name) is not None}
    missing = [f.name for f in fields(kind) if f.name not in known and f.default is f.default_factory is MISSING]
    if missing:
        raise Unavailable(
            f"A {kind.__name__} node lacks {', '.join(missing)}: it is being deleted, or another program wrote it. "
            "Try again; if this stays so, delete the node in Neo4j Browser."
        )
    return kind(**known)


def get_record(connection: Connection, kind: type[R], identifier: str) -> R:
    """Read the record with this id; raises `NotFound`."""
    rows = connection.read(_GET[kind.__name__], id=identifier)
    if not rows:
        raise not_found(kind, identifier)
    return as_record(kind, rows[0]["node"])


def list_records(connection: Connection, kind: type[R], after: str, limit: int) -> list[R]:
    """Return up to `limit` records in the order of their ids, starting after the id `after`."""
    return [as_record(kind, row["node"]) for row in connection.read(_LIST[kind.__name__], after=after, limit=limit)]


def not_found(kind: type[R], identifier: str) -> NotFound:
    """Return the error for an id without a node."""
    name = kind.__name__.lower()
    return NotFound(f"There is no {name} {identifier}. List the {name}s to see their ids.")
