"""Writing of a linking as a new generation; one small transaction at the end makes it the current one.

Several lanes (`graph.generations.batches`) write at the same time. Each lane counts its batches in its own node, in the
same transaction as the batch. A transaction that is retried after its answer was lost therefore writes nothing twice.
"""

import json
import threading
from collections.abc import Collection
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from graph.connection import Connection, Statement
from graph.errors import Conflict, Unavailable
from graph.generations.batches import LANES, Batch, batches, bucket_count
from graph.generations.catalogue import LINKING, erase, unfinished
from graph.generations.recount import count_statement
from graph.generations.withheld import NOTHING, Withheld
from graph.linking.run import Linking
from graph.lock import Lock, graph_lock
from graph.records import Progress, no_progress

_CREATE = """
CREATE (g:Generation {id: $id, state: 'building'})
WITH g UNWIND range(0, $lanes - 1) AS lane
CREATE (:WritingLane {generation: $id, lane: lane, batch: -1})
"""
# What was rejected while this linking ran. The SET locks `a`, as a judgement does (graph/feedback.py), so the second
# MATCH sees a judgement that was being written.
_REJECT = """
MATCH (a:Patch)-[:REJECTED]->(:Patch)
WITH DISTINCT a ORDER BY a.id
SET a.judged = true
REMOVE a.judged
WITH a
MATCH (a)-[:REJECTED]->(b:Patch)
MATCH (a)-[e:INTER_INSTANCE]->(b) WHERE e.generation = $generation
SET e.rejected = true
"""
# The shortest track. Tracks of videos above 40 frames a second are longer, because skipped frames count as well. The
# last pair of an imported track may be shorter than requested, so imported tracks count only without mined ones, by the
# longest.
_TRACK_LENGTH = """
MATCH (:ParentCluster {generation: $generation})<-[:IN_PARENT]-(:Patch)-[e:INTRA_INSTANCE]->()
WITH e.track_length AS length, coalesce(e.origin, 'mined') AS origin
RETURN coalesce(min(CASE origin WHEN 'mined' THEN length END), max(length), 0) AS length
"""
# (:Current)-[:IS]->(g). The same transaction checks the lock's owner: a run that lost the lock must not switch.
_SWITCH = """
MATCH (l:Lock {name: $lock, owner: $owner})
MATCH (g:Generation {id: $id})
SET g += $properties, g.state = 'ready'
MERGE (c:Current {name: 'generation'})
WITH g, c
OPTIONAL MATCH (c)-[old:IS]->()
DELETE old
WITH DISTINCT g, c
CREATE (c)-[:IS]->(g)
RETURN g.id AS id
"""
_DROP_LANES = """
MATCH (l:WritingLane {generation: $id})
DELETE l
"""
_READY = """
MATCH (g:Generation {id: $id, state: 'ready'})
RETURN g.id AS id
"""


def write_generation(
    connection: Connection,
    linking: Linking,
    feature_model: str,
    held_out: Collection[str] = (),
    *,
    videos: Collection[str] = (),
    joined: str = "",
    withheld: Withheld = NOTHING,
    lock: Lock | None = None,
    progress: Progress = no_progress,
) -> str:
    """Write a linking as a new generation, make it the current one, and return its id.

    The id is a hash of the content, so writing the same linking again only makes it current. After any exception,
    including `Cancelled` from `progress`, nothing of the new generation remains. Raises `Conflict` when another linking
    is running, or when patches were deleted in the meantime.

    Args:
        connection: connection to the graph.
        linking: the result to write.
        feature_model: model whose features were linked.
        held_out: ids of the videos kept out of training.
        videos: ids of all videos that were read, including those without patches.
        joined: generation whose parents were kept; "" if none.
        withheld: the feedback that the linking respects.
        lock: the linking lock, if the caller holds it.
        progress: receives the number of edges written.
    """
    with nullcontext(lock) if lock else graph_lock(connection, LINKING) as held:
        generation = _name(linking, feature_model, held_out, videos, joined, withheld.digest)
        for abandoned in unfinished(connection):
            erase(connection, abandoned)
        try:
            properties: dict[str, Any] = {}
            counting: list[Statement] = []
            if not connection.read(_READY, id=generation):
                connection.write(_CREATE, id=generation, lanes=LANES)
                _write_all(connection, generation, linking, set(held_out), progress)
                counting = [(_REJECT, {"generation": generation})]
                counting.append(count_statement(generation, bucket_count(len(linking.pairs))))
                properties = _properties(connection, generation, linking, feature_model)
                looked_at = sorted({*linking.video_ids, *videos})
                properties |= {"held_out": sorted(held_out), "videos": looked_at, "joined": joined}
                properties |= {"feedback": withheld.digest, "withheld": withheld.to_json()}
            _switch(connection, held, generation, properties, counting)
        except BaseException:
            with suppress(Unavailable):  # then the next linking erases it
                if not connection.read(_READY, id=generation):
                    erase(connection, generation)
            raise
        connection.write(_DROP_LANES, id=generation)
    return generation


def _name(
    linking: Linking,
    feature_model: str,
    held_out: Collection[str],
    videos: Collection[str],
    joined: str,
    feedback: str,
) -> str:
    content = [linking.digest(), feature_model, asdict(linking.parameters), sorted(held_out), sorted(videos), joined]
    if feedback:  # without feedback, the id is the same as in earlier versions
        content.append(feedback)
    return blake2b(json.dumps(content).encode(), digest_size=6).hexdigest()


def _write_all(
    connection: Connection, generation: str, linking: Linking, held_out: set[str], progress: Progress
) -> None:
    """Run the lanes in parallel, report progress, and stop all lanes when one fails or the job is cancelled."""
    total = int(linking.parent_sizes.sum()) + linking.groups.size + len(linking.pairs)
    written = [0] * LANES
    stop = threading.Event()

    def run(lane: int) -> None:
        for number, batch in enumerate(batches(linking, lane, held_out)):
            if stop.is_set():
                return
            _write_batch(connection, generation, lane, number, batch)
            written[lane] += batch.expected

    with ThreadPoolExecutor(LANES, "generation-writer") as pool:
        running: set[Future[None]] = {pool.submit(run, lane) for lane in range(LANES)}
        try:
            while running:
                progress("writing edges", sum(written), total, "edges")
                done, running = wait(running, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            stop.set()
    progress("writing edges", total, total, "edges")


def _write_batch(connection: Connection, generation: str, lane: int, number: int, batch: Batch) -> None:
    rows = connection.write(
        batch.query,
        generation=generation,
        lane=lane,
        batch=number,
        parent=batch.parent,
        size=batch.size,
        ids=batch.ids,
        rows=batch.rows,
    )
    if not rows:
        raise Conflict("Another linking deleted this unfinished one. Link again when that one is done.")
    if rows[0]["before"] < number and rows[0]["written"] != batch.expected:
        raise Conflict("Patches were deleted while they were linked. Link again.")


def _properties(connection: Connection, generation: str, linking: Linking, feature_model: str) -> dict[str, Any]:
    """Return the properties of the (:Generation) node, without its counts."""
    return {
        "feature_model": feature_model,
        "created_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "patches": len(linking.patch_ids),
        "parents": len(linking.parent_sizes),
        "children": len(linking.groups),
        "track_length": connection.read(_TRACK_LENGTH, generation=generation)[0]["length"],
        "parameters": json.dumps(asdict(linking.parameters)),
        "quality": json.dumps(linking.quality),
    }


def _switch(
    connection: Connection, lock: Lock, generation: str, properties: dict[str, Any], counting: list[Statement]
) -> None:
    """Count the generation and make it the current one, in one transaction."""
    switch: Statement = (
        _SWITCH,
        {"lock": lock.name, "owner": lock.owner, "id": generation, "properties": properties},
    )
    if not connection.write_many([*counting, switch])[-1]:
        raise Conflict("Another linking took the lock of this one. Link again when that one is done.")
