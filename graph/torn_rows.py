"""Detection of rows that were read while another transaction deleted their nodes or edges.

Neo4j gives no snapshot of the graph: a query that has matched a node and then reads its properties gets none of them if
the node was deleted in between. `n {.*}` is then an empty map, and `n.id` is null.
"""

from collections.abc import Iterable, Mapping
from typing import Any

# Columns of these names hold a property that every node or edge of its kind has, so null is never part of a whole row.
_NEVER_NULL = frozenset({"id", "a", "b", "a_prime", "b_prime", "start", "end", "name", "size", "state", "video", "key"})


def torn(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a row of a read contains an empty map, or null where a property is required."""
    return any(_is_torn(name, value) for row in rows for name, value in row.items())


def _is_torn(name: str, value: object) -> bool:
    if value is None:
        return name in _NEVER_NULL or name.endswith("_id")
    if isinstance(value, list):  # numbers and texts are not looked at, because a list may hold 100,000 of them
        return bool(value) and isinstance(value[0], dict) and {} in value
    return value == {}
