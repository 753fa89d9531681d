"""Quadruples A, A', B, B' of a generation: streamed in shuffled order, listed or counted (section 5).

          (a')                                   (b')
           ↑ INTRA_INSTANCE                       ↑ INTRA_INSTANCE
          (a) —— INTER_INSTANCE {generation} ——→ (b)          a.id < b.id, so each is enumerated once

A stream reads bucket by bucket through the index on (generation, bucket), with constant memory and without SKIP. The
server collects a bucket into one row, because one row per quadruple takes the driver four times as long.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from graph.connection import Connection
from graph.generations.catalogue import Generation, get_generation, require_generation
from graph.queries.shuffle import shuffled
from graph.records import Quadruple

# (a')<-[:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]->(b)-[:INTRA_INSTANCE]->(b'), one row with an entry for each A-B
_BUCKET = """
MATCH (g:Generation {id: $generation, state: 'ready'})
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket = $bucket AND e.held_out = $held_out
WITH g, a, b, e, [(a)-[:INTRA_INSTANCE]->(end) | end.id] AS a2, [(b)-[:INTRA_INSTANCE]->(end) | end.id] AS b2
RETURN g.id AS generation, collect(a.id) AS a, collect(a2) AS a2, collect(b.id) AS b, collect(b2) AS b2,
       collect(e.parent) AS parent
"""
# the same with conditions; a null parameter sets none. $after is the key of the last row of the page before
_PAGE = """
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0
  AND ($parent IS NULL OR e.parent = $parent)
  AND ($video IS NULL OR a.video_id = $video OR b.video_id = $video)
  AND ($largest_distance IS NULL OR e.distance <= $largest_distance)
  AND ($held_out IS NULL OR e.held_out = $held_out)
  AND a.id >= $after[0]
MATCH (a)-[ta:INTRA_INSTANCE]->(a2:Patch), (b)-[tb:INTRA_INSTANCE]->(b2:Patch)
WHERE ($confidence IS NULL OR (ta.confidence >= $confidence AND tb.confidence >= $confidence))
WITH a.id AS a, b.id AS b, a2.id AS a2, b2.id AS b2, e.parent AS parent, e.distance AS distance
WHERE [a, b, a2, b2] > $after
RETURN a, a2, b, b2, parent, distance ORDER BY a, b, a2, b2 LIMIT $limit
"""
# tracks that take part: (a')<-[t:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]-(b)-[:INTRA_INSTANCE]->(b')
_TRACKS = """
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0
  AND EXISTS { (a)-[:INTRA_INSTANCE]->() } AND EXISTS { (b)-[:INTRA_INSTANCE]->() }
WITH count(e) AS edges, collect(DISTINCT a) + collect(DISTINCT b) AS ends
UNWIND CASE WHEN ends = [] THEN [null] ELSE ends END AS end
WITH DISTINCT edges, end
RETURN edges, sum(COUNT { (end)-[:INTRA_INSTANCE]->() }) AS tracks
"""


@dataclass(frozen=True, slots=True)
class QuadrupleFilter:
    """Which quadruples to list; None sets no condition."""

    parent: int | None = None  # parent cluster of A and B
    video: str | None = None  # a video that A or B is from
    confidence: float | None = None  # least confidence of both tracks, 0..1
    largest_distance: float | None = None  # of A and B, 1 - cosine
    held_out: bool | None = None  # True: with a video kept out of training; False: without


@dataclass(frozen=True, slots=True)
class QuadrupleCounts:
    """How many quadruples and positives of each kind a generation holds (section 5)."""

    quadruples: int
    training: int  # quadruples without a held-out video
    a_b: int  # inter-instance edges whose two ends have tracks
    intra_instance: int  # A–A' and B–B': tracks that take part in a quadruple, once each
    transitive: int  # A–B', A'–B and A'–B': three for every quadruple


def stream(
    connection: Connection,
    generation: str | None = None,
    seed: int = 0,
    cursor: int = 0,
    *,
    epoch: int = 0,
    held_out: bool = False,
) -> Iterator[list[Quadruple]]:
    """Yield one epoch's quadruples in the order of `seed` and `epoch`, in lists, without the first `cursor` of them.

    The same seed gives the same sequence, a cursor goes on exactly where it stood, and a generation that stops being
    the current one is read to the end. `held_out` gives the quadruples kept out of training instead. Raises `NotFound`
    where the generation is not there (any more).
    """
    known = require_generation(connection, generation)
    sizes = known.held_out_sizes if held_out else known.training_sizes

    def read_bucket(bucket: int) -> list[Quadruple]:
        return _read_bucket(connection, known, bucket, held_out)

    return shuffled(read_bucket, sizes, seed, epoch, cursor)


def _read_bucket(connection: Connection, generation: Generation, bucket: int, held_out: bool) -> list[Quadruple]:
    rows = connection.read(_BUCKET, generation=generation.id, bucket=bucket, held_out=held_out)
    if not rows:  # nothing in the bucket any more, or no generation
        get_generation(connection, generation.id)
        return []
    columns = [rows[0][name] for name in ("a", "a2", "b", "b2", "parent")]
    return [
        Quadruple(a, a_prime, b, b_prime, parent, parent)
        for a, a_ends, b, b_ends, parent in zip(*columns, strict=True)
        for a_prime in a_ends
        for b_prime in b_ends
    ]


def list_quadruples(
    connection: Connection,
    generation: str | None = None,
    conditions: QuadrupleFilter | None = None,
    after: tuple[str, str, str, str] = ("", "", "", ""),
    limit: int = 100,
) -> list[tuple[Quadruple, float]]:
    """Return the next `limit` quadruples with the distance of A and B, in the order of (a, b, a', b').

    `after` is that key of the last one of the page before. Raises `NotFound` without such a generation.
    """
    known = require_generation(connection, generation)
    rows = connection.read(
        _PAGE, generation=known.id, after=list(after), limit=limit, **asdict(conditions or QuadrupleFilter())
    )
    return [
        (Quadruple(row["a"], row["a2"], row["b"], row["b2"], row["parent"], row["parent"]), row["distance"])
        for row in rows
    ]


def count_quadruples(connection: Connection, generation: str | None = None) -> QuadrupleCounts:
    """Count a generation's quadruples and the positives of each kind; raises `NotFound` without such a generation."""
    known = require_generation(connection, generation)
    row: dict[str, Any] = connection.read(_TRACKS, generation=known.id)[0]
    return QuadrupleCounts(
        quadruples=known.quadruples,
        training=sum(known.training_sizes),
        a_b=row["edges"],
        intra_instance=row["tracks"],
        transitive=3 * known.quadruples,
    )
