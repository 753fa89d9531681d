"""Feedback of users: links that they reject or accept, and patches that they mark as showing no object.

    (a:Patch)-[:REJECTED {by, at}]->(b:Patch)      a.id < b.id: the two are not alike
    (a:Patch)-[:ACCEPTED {by, at}]->(b:Patch)      a.id < b.id: the two are alike
    (:Patch {no_object, no_object_by, no_object_at})     on every patch of a track

A judgement belongs to a pair of patches and not to an edge, so it outlives the generation. The transaction that stores
a judgement also sets `rejected` on the pair's INTER_INSTANCE edges and counts their quadruples again. A query that
enumerates links therefore needs one condition (`graph/live.py`) and no second match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graph.connection import Connection, Statement
from graph.errors import NotFound
from graph.generations.recount import RECOUNT_OF_PAIR, RECOUNT_OF_PATCHES
from graph.jobs import now

LinkState = Literal["rejected", "accepted", "open"]

_PATCHES_AT_ONCE = 1000  # patches marked in one transaction
# (a)-[:REJECTED|ACCEPTED]->(b); the first SET locks `a`, so the later of two concurrent judgements of a pair is kept
_JUDGE = """
MATCH (a:Patch {id: $a}), (b:Patch {id: $b})
WHERE EXISTS { (a)-[:INTER_INSTANCE|REJECTED|ACCEPTED]->(b) }
SET a.judged = true
REMOVE a.judged
WITH a, b
OPTIONAL MATCH (a)-[old:REJECTED|ACCEPTED]->(b)
DELETE old
WITH DISTINCT a, b
FOREACH (_ IN CASE $state WHEN 'rejected' THEN [1] ELSE [] END | CREATE (a)-[:REJECTED {by: $by, at: $at}]->(b))
FOREACH (_ IN CASE $state WHEN 'accepted' THEN [1] ELSE [] END | CREATE (a)-[:ACCEPTED {by: $by, at: $at}]->(b))
WITH a, b
OPTIONAL MATCH (a)-[e:INTER_INSTANCE]->(b)
SET e.rejected = CASE $state WHEN 'rejected' THEN true ELSE null END
RETURN count(*) AS found
"""
# (a)-[e:INTER_INSTANCE]->(b) of the current generation, and the judgement of the pair
_GET = """
MATCH (a:Patch {id: $a}), (b:Patch {id: $b})
OPTIONAL MATCH (:Current {name: 'generation'})-[:IS]->(g:Generation)
OPTIONAL MATCH (a)-[e:INTER_INSTANCE]->(b) WHERE e.generation = g.id
OPTIONAL MATCH (a)-[j:REJECTED|ACCEPTED]->(b)
WITH a, b, e, j WHERE e IS NOT NULL OR j IS NOT NULL OR EXISTS { (a)-[:INTER_INSTANCE]->(b) }
RETURN a.id AS a_id, b.id AS b_id, toLower(coalesce(type(j), 'open')) AS state, coalesce(j.by, '') AS by,
       coalesce(j.at, '') AS at, e.distance AS distance
"""
# the judged pairs in the order of (a, b), with the distance of the current generation
_LIST = """
MATCH (a:Patch)-[j:REJECTED|ACCEPTED]->(b:Patch)
WHERE ($state IS NULL OR toLower(type(j)) = $state) AND [a.id, b.id] > $after
WITH a, b, j ORDER BY a.id, b.id LIMIT $limit
OPTIONAL MATCH (:Current {name: 'generation'})-[:IS]->(g:Generation)
OPTIONAL MATCH (a)-[e:INTER_INSTANCE]->(b) WHERE e.generation = g.id
RETURN a.id AS a_id, b.id AS b_id, toLower(type(j)) AS state, j.by AS by, j.at AS at, e.distance AS distance
ORDER BY a_id, b_id
"""
_MARKED = """
MATCH (p:Patch) WHERE p.no_object
RETURN collect(p.id) AS ids
"""
# the tracks of some patches: their starts and all ends of these starts
_OF_TRACKS = """
UNWIND $ids AS id
MATCH (p:Patch {id: id})
OPTIONAL MATCH (start:Patch)-[:INTRA_INSTANCE]->(p)
WITH p, coalesce(start, p) AS start
OPTIONAL MATCH (start)-[:INTRA_INSTANCE]->(end:Patch)
WITH collect(DISTINCT p.id) AS asked, collect(DISTINCT start.id) + collect(DISTINCT end.id) AS ids
RETURN asked, ids
"""
_MARK = """
UNWIND $ids AS id
MATCH (p:Patch {id: id})
SET p.no_object = CASE WHEN $no_object THEN true ELSE null END,
    p.no_object_by = CASE WHEN $no_object THEN $by ELSE null END,
    p.no_object_at = CASE WHEN $no_object THEN $at ELSE null END
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A pair of patches that is linked or judged; `distance` is None if the current generation has no such edge."""

    a_id: str  # the smaller id
    b_id: str
    state: LinkState
    by: str = ""  # name of the person who judged
    at: str = ""  # time of the judgement, ISO 8601, UTC
    distance: float | None = None  # 1 - cosine of the two features


def judge_link(connection: Connection, a_id: str, b_id: str, state: LinkState, by: str = "") -> Link:
    """Reject or accept a pair, or withdraw its judgement ("open"); the order of the ids does not matter.

    Raises `NotFound` if the two were never linked.
    """
    a, b = sorted((a_id, b_id))
    judge: Statement = (_JUDGE, {"a": a, "b": b, "state": state, "by": by, "at": now()})
    found = connection.write_many([judge, (RECOUNT_OF_PAIR, {"a": a, "b": b})])[0]
    if not found or not found[0]["found"]:
        raise NotFound(f"Patches {a} and {b} are not linked.")
    # a withdrawn rejection leaves no trace if the generations that linked the pair were deleted
    return _find_link(connection, a, b) or Link(a, b, state)


def get_link(connection: Connection, a_id: str, b_id: str) -> Link:
    """Return a pair with its judgement; the order of the ids does not matter. Raises `NotFound` if never linked."""
    a, b = sorted((a_id, b_id))
    found = _find_link(connection, a, b)
    if found is None:
        raise NotFound(f"Patches {a} and {b} are not linked.")
    return found


def _find_link(connection: Connection, a: str, b: str) -> Link | None:
    rows = connection.read(_GET, a=a, b=b)
    return Link(**rows[0]) if rows else None


def list_judged_links(
    connection: Connection, state: LinkState | None = None, after: tuple[str, str] = ("", ""), limit: int = 100
) -> list[Link]:
    """Return up to `limit` judged pairs in the order of their ids, starting after the pair `after`."""
    return [Link(**row) for row in connection.read(_LIST, state=state, after=list(after), limit=limit)]


def mark_no_object(connection: Connection, patch_ids: Sequence[str], no_object: bool, by: str = "") -> list[str]:
    """Mark the whole tracks of these patches as showing no object, or unmark them; returns the ids of their patches.

    Raises `NotFound` for an unknown patch before anything is written.
    """
    row: dict[str, Any] = connection.read(_OF_TRACKS, ids=list(patch_ids))[0]
    unknown = sorted(set(patch_ids) - set(row["asked"]))
    if unknown:
        raise NotFound(f"There is no patch {unknown[0]}. List the patches of a video to see their ids.")
    ids, at = sorted(set(row["ids"])), now()
    for first in range(0, len(ids), _PATCHES_AT_ONCE):
        some = ids[first : first + _PATCHES_AT_ONCE]
        mark: Statement = (_MARK, {"ids": some, "no_object": no_object, "by": by, "at": at})
        connection.write_many([mark, (RECOUNT_OF_PATCHES, {"ids": some})])
    return ids


def marked_patches(connection: Connection) -> frozenset[str]:
    """Return the ids of all patches that are marked as no object."""
    return frozenset(connection.read(_MARKED)[0]["ids"])
