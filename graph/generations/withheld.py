"""The feedback that a linking leaves out: rejected pairs of patches, and tracks marked as no object.

A generation stores the feedback with which it was made. A later join compares it with the present feedback, and so
finds the pairs and tracks whose judgement was withdrawn.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b

from graph.connection import Connection

# (a)-[:REJECTED]->(b)
_PAIRS = """
MATCH (a:Patch)-[:REJECTED]->(b:Patch)
RETURN a.id AS a, b.id AS b ORDER BY a, b
"""
_STARTS = """
MATCH (p:Patch) WHERE p.no_object AND p.role = 'start'
RETURN p.id AS id ORDER BY id
"""
_OF_GENERATION = """
MATCH (g:Generation {id: $id})
RETURN g.withheld AS withheld, coalesce(g.feedback, '') AS feedback
"""


@dataclass(frozen=True)
class Withheld:
    """Rejected pairs (smaller id first) and marked starts of tracks, both sorted."""

    pairs: tuple[tuple[str, str], ...] = ()
    starts: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """A hash of the feedback, 16 hexadecimal digits; "" for none."""
        if not self.pairs and not self.starts:
            return ""
        lines = [*(f"{a}-{b}" for a, b in self.pairs), "", *self.starts]
        return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()

    def to_json(self) -> str:
        """Return the text that a generation stores."""
        return json.dumps(asdict(self))


NOTHING = Withheld()


def read_withheld(connection: Connection) -> Withheld:
    """Read the present feedback."""
    pairs = tuple((row["a"], row["b"]) for row in connection.read(_PAIRS))
    return Withheld(pairs, tuple(row["id"] for row in connection.read(_STARTS)))


def withheld_of(connection: Connection, generation: str) -> Withheld | None:
    """Read the feedback with which a generation was made; None if an earlier version stored only its digest."""
    row = connection.read(_OF_GENERATION, id=generation)[0]
    if row["withheld"] is None:
        return None if row["feedback"] else NOTHING
    stored = json.loads(row["withheld"])
    return Withheld(tuple((a, b) for a, b in stored["pairs"]), tuple(stored["starts"]))
