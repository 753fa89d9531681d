"""Quadruples A, A', B, B' of a generation: streamed in shuffled order, listed or counted (section 5).

          (a')                                   (b')
           ↑ INTRA_INSTANCE                       ↑ INTRA_INSTANCE
          (a) —— INTER_INSTANCE {generation} ——→ (b)          a.id < b.id, so each is enumerated once

A stream reads one bucket at a time by the index on (generation, bucket), so memory is constant and SKIP is not needed.
The server collects a bucket into one row, because one row per quadruple takes the driver four times as long.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from graph.connection import Connection
from graph.generations.catalogue import Generation, get_generation, require_generation
from graph.live import LIVE
from graph.queries.shuffle import shuffled
from graph.records import Quadruple

# (a')<-[:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]->(b)-[:INTRA_INSTANCE]->(b'), one row with one entry per edge A–B
_BUCKET = f"""
MATCH (g:Generation {{id: $generation, state: 'ready'}})
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket = $bucket AND e.held_out = $held_out AND {LIVE}
WITH g, a, b, e, [(a)-[:INTRA_INSTANCE]->(end) | end.id] AS a2, [(b)-[:INTRA_INSTANCE]->(end) | end.id] AS b2
RETURN g.id AS generation, collect(a.id) AS a, collect(a2) AS a2, collect(b.id) AS b, collect(b2) AS b2,
       collect(e.parent) AS parent
"""
# The same with conditions; a null parameter sets no condition. $after is the key of the previous page's last row.
_PAGE = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0 AND {LIVE}
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
# tracks in a quadruple: (a')<-[t:INTRA_INSTANCE]-(a)-[e:INTER_INSTANCE]-(b)-[:INTRA_INSTANCE]->(b')
_TRACKS = f"""
MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch)
WHERE e.generation = $generation AND e.bucket >= 0 AND {LIVE}
  AND EXISTS {{ (a)-[:INTRA_INSTANCE]->() }} AND EXISTS {{ (b)-[:INTRA_INSTANCE]->() }}
WITH count(e) AS edges, collect(DISTINCT a) + collect(DISTINCT b) AS ends
UNWIND CASE WHEN ends = [] THEN [null] ELSE ends END AS end
WITH DISTINCT edges, end
RETURN edges, sum(COUNT {{ (end)-[:INTRA_INSTANCE]->() }}) AS tracks
"""


@dataclass(frozen=True, slots=True)
class QuadrupleFilter:
    """Conditions on quadruples; None sets no condition."""

    parent: int | None = None  # parent cluster of A and B
    video: str | None = None  # video of A or B
    confidence: float | None = None  # minimum confidence of both tracks, 0..1
    largest_distance: float | None = None  # maximum of 1 - cosine of A and B
    held_out: bool | None = None  # True: only those with a held-out video; False: only those without


@dataclass(frozen=True, slots=True)
class QuadrupleCounts:
    """Numbers of quadruples and of positives of each kind in a generation (section 5)."""

    quadruples: int
    training: int  # quadruples without a held-out video
    a_b: int  # inter-instance edges whose ends both have tracks
    intra_instance: int  # A–A' and B–B': distinct tracks that are part of a quadruple
    transitive: int  # A–B', A'–B and A'–B': three per quadruple


def stream(
    connection: Connection,
    generation: str | None = None,
    seed: int = 0,
    cursor: int = 0,
    *,
    epoch: int = 0,
    held_out: bool = False,
) -> Iterator[list[Quadruple]]:
    """Yield one epoch's quadruples in lists, in an order that `seed` and `epoch` determine.

    Args:
        connection: connection to the graph.
        generation: generation to read; None: the current one. It is read to the end, even if another becomes current.
        seed: seed of the order.
        cursor: number of quadruples to skip at the beginning.
        epoch: number of the pass over the data.
        held_out: whether to yield the held-out quadruples instead of those for training.

    Raises:
        NotFound: the generation does not exist or was deleted.
    """
    known = require_generation(connection, generation)
    sizes = known.held_out_sizes if held_out else known.training_sizes

    def read_bucket(bucket: int) -> list[Quadruple]:
        return _read_bucket(connection, known, bucket, held_out)

    return shuffled(read_bucket, sizes, seed, epoch, cursor)


def _read_bucket(connection: Connection, generation: Generation, bucket: int, held_out: bool) -> list[Quadruple]:
    rows = connection.read(_BUCKET, generation=generation.id, bucket=bucket, held_out=held_out)
    if not rows:  # the bucket has become empty, or the generation was deleted
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
    """Return up to `limit` quadruples with their distance of A and B, in the order of (a, b, a', b').

    `after` is the key (a, b, a', b') of the previous page's last quadruple. Raises `NotFound` if the generation does
    not exist.
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
    """Count a generation's quadruples and positives; raises `NotFound` if the generation does not exist."""
    known = require_generation(connection, generation)
    row: dict[str, Any] = connection.read(_TRACKS, generation=known.id)[0]
    return QuadrupleCounts(
        quadruples=known.quadruples,
        training=sum(known.training_sizes),
        a_b=row["edges"],
        intra_instance=row["tracks"],
        transitive=3 * known.quadruples,
    )
