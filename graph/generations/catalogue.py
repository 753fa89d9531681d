"""The catalogue of generations: list, read and delete them, find the current one, choose held-out videos.

(:Current {name: "generation"})-[:IS]->(:Generation {id, state, feature_model, …})
(:Patch)-[:IN_PARENT]->(:ParentCluster {generation, id, size})     id 0, 1, … within its generation
(:Patch)-[:IN_CHILD]->(:ChildCluster {generation, id, parent})
(:Patch)-[:INTER_INSTANCE {generation, distance, parent, bucket, held_out, rejected}]->(:Patch)     smaller id first

`state` is "building" until the generation is complete, then "ready", and "deleting" during a deletion. Readers see only
"ready" generations.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from graph import jobs
from graph.connection import Connection, Row
from graph.errors import Conflict, NotFound
from graph.lock import graph_lock
from graph.records import Progress, no_progress

LINKING = "linking"  # name of the lock for writing and deleting generations
DELETED_AT_ONCE = 20_000  # edges or nodes deleted in one transaction
HELD_OUT_SHARE = 0.1

# (:Current)-[:IS]->(g)
_CURRENT = """
MATCH (:Current {name: 'generation'})-[:IS]->(g:Generation)
RETURN g.id AS id
"""
_RETURN_IT = """
CALL (g) {
  MATCH (a:Patch)-[:REJECTED]->(b:Patch)
  WHERE EXISTS { (a)-[e:INTER_INSTANCE]->(b) WHERE e.generation = g.id }
  RETURN count(*) AS rejected
}
RETURN g.id AS id,
       g {.*, withheld: null, rejected: rejected, current: EXISTS { (:Current)-[:IS]->(g) }} AS generation
"""
_GET = f"MATCH (g:Generation {{id: $id, state: 'ready'}}) {_RETURN_IT}"
_LIST = f"MATCH (g:Generation {{state: 'ready'}}) {_RETURN_IT} ORDER BY g.created_at, g.id"
_UNFINISHED = """
MATCH (g:Generation) WHERE g.state <> 'ready'
RETURN g.id AS id
"""
_RETIRE = """
MATCH (g:Generation {id: $id})
SET g.state = 'deleting'
"""
# Each statement deletes at most $limit items. Each is repeated until nothing is left, in this order.
_DELETE = (
    # (:Patch)-[e:INTER_INSTANCE]->(:Patch)
    """
    MATCH ()-[e:INTER_INSTANCE]->() WHERE e.generation = $id AND e.bucket >= 0
    WITH e LIMIT $limit DELETE e RETURN count(*) AS deleted
    """,
    # (:Patch)-[e:IN_CHILD]->(c)
    """
    MATCH (c:ChildCluster) WHERE c.generation = $id AND c.id >= 0
    WITH c LIMIT $limit DETACH DELETE c RETURN count(*) AS deleted
    """,
    # (:Patch)-[e:IN_PARENT]->(c)
    """
    MATCH (c:ParentCluster)<-[e:IN_PARENT]-() WHERE c.generation = $id AND c.id >= 0
    WITH e LIMIT $limit DELETE e RETURN count(*) AS deleted
    """,
    """
    MATCH (c:ParentCluster) WHERE c.generation = $id AND c.id >= 0
    WITH c LIMIT $limit DELETE c RETURN count(*) AS deleted
    """,
    """
    MATCH (l:WritingLane {generation: $id})
    WITH l LIMIT $limit DELETE l RETURN count(*) AS deleted
    """,
    """
    MATCH (g:Generation {id: $id})
    WITH g LIMIT $limit DETACH DELETE g RETURN count(*) AS deleted
    """,
)
# (v:Video)-[:HAS_PATCH]->()     videos without patches have nothing to link, so they do not count
_VIDEOS = """
MATCH (v:Video {status: 'ready'})
WHERE NOT v.id IN $known AND EXISTS { (v)-[:HAS_PATCH]->() }
RETURN count(*) AS count
"""


@dataclass(frozen=True, slots=True)
class Generation:
    """One linking run: its inputs, its results and its quality report."""

    id: str
    feature_model: str
    created_at: str  # ISO 8601, UTC
    patches: int  # track starts that were clustered
    parents: int
    children: int
    edges: int  # without rejected edges and those of patches marked as no object
    quadruples: int  # of these edges, including held-out ones
    track_length: int  # frames from A to A' of its shortest track; 0 without tracks
    held_out: tuple[str, ...] = ()  # videos kept out of training
    videos: tuple[str, ...] = ()  # all videos that were read, including those without patches
    deleted: tuple[str, ...] = ()  # those deleted since then; they may have been ingested again, without links
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    training_sizes: tuple[int, ...] = ()  # quadruples for training in each bucket
    held_out_sizes: tuple[int, ...] = ()  # quadruples with a held-out video in each bucket
    feedback: str = ""  # hash of the feedback it was made with (withheld.py); "": none
    joined: str = ""  # generation whose parents the new videos joined; "" if all videos were linked again
    current: bool = False

    @property
    def rejected(self) -> int:
        """Number of edges that people rejected, before this linking and since then."""
        return int(self.quality.get("rejected_before", 0) + self.quality.get("rejected_since", 0))

    @property
    def rejected_share(self) -> float:
        """Their share of all edges that were found, 0..1."""
        return float(self.quality.get("rejected_share", 0.0))

    @property
    def present(self) -> frozenset[str]:
        """Its videos that were not deleted since then, so that their patches still have its links."""
        return frozenset(self.videos) - frozenset(self.deleted)

    def links_all_of(self, videos: Sequence[str]) -> bool:
        """Return whether it was made of just these videos, in this order, and none was deleted since then."""
        return list(self.videos) == list(videos) and not self.deleted

    @property
    def buckets(self) -> int:
        """Number of buckets of its edges."""
        return len(self.training_sizes)


def held_out_videos(video_ids: Iterable[str], reencodings: Mapping[str, str] | None = None) -> list[str]:
    """Return the videos to keep out of training: a tenth, chosen by a hash of their ids; none of fewer than three.

    A video and its re-encodings are held out together; `reencodings` maps each of them to the first.
    """
    owner = dict(reencodings or {})
    ids = sorted(set(video_ids))
    families = sorted({owner.get(video, video) for video in ids}, key=_rank)
    count = max(1, round(HELD_OUT_SHARE * len(families))) if len(families) >= 3 else 0
    chosen = set(families[:count])
    return [video for video in ids if owner.get(video, video) in chosen]


def _rank(video_id: str) -> str:
    return blake2b(video_id.encode(), digest_size=8).hexdigest()


def current_generation(connection: Connection) -> str | None:
    """Return the id of the current generation, or None before the first linking."""
    rows = connection.read(_CURRENT)
    return str(rows[0]["id"]) if rows else None


def get_generation(connection: Connection, generation: str) -> Generation:
    """Read one generation; raises `NotFound` if it does not exist, is unfinished or is being deleted."""
    rows = connection.read(_GET, id=generation)
    if not rows:
        raise NotFound(f"There is no generation {generation}. List the generations to see their ids.")
    return _generation(rows[0]["generation"])


def require_generation(connection: Connection, generation: str | None = None) -> Generation:
    """Read the named generation, or the current one; raises `NotFound`."""
    wanted = generation or current_generation(connection)
    if wanted is None:
        raise NotFound("Nothing is linked yet. Link the videos first.")
    return get_generation(connection, wanted)


def list_generations(connection: Connection) -> list[Generation]:
    """Return all ready generations, oldest first."""
    return [_generation(row["generation"]) for row in connection.read(_LIST)]


def delete_generation(connection: Connection, generation: str, progress: Progress = no_progress) -> None:
    """Delete an old generation in small transactions; a second call completes a deletion that was killed.

    Raises `NotFound`, and `Conflict` for the current generation, one that a training uses, or while a linking runs.
    """
    with graph_lock(connection, LINKING):
        if current_generation(connection) == generation:
            raise Conflict(f"Generation {generation} is the current one. Link again before you delete it.")
        if generation not in unfinished(connection):
            training = _training_with(connection, get_generation(connection, generation))
            if training:
                raise Conflict(f"Training {training} uses generation {generation}. Wait for its end, or cancel it.")
        erase(connection, generation, progress)


def _training_with(connection: Connection, generation: Generation) -> str:
    """Return the id of an unfinished training that uses this generation, or "".

    A training that names no generation chose one at its start, so every generation that existed then counts as used.
    """
    for entry in jobs.unfinished_jobs(connection):
        if entry.job.kind != "train":
            continue
        named = jobs.job_arguments(connection, entry.job.id).get("generation")
        began_later = entry.job.state != "queued" and entry.job.created_at >= generation.created_at
        if named == generation.id or (not named and began_later):
            return entry.job.id
    return ""


def unfinished(connection: Connection) -> list[str]:
    """Return the ids of generations that a killed run left half written or half deleted."""
    return [row["id"] for row in connection.read(_UNFINISHED)]


def erase(connection: Connection, generation: str, progress: Progress = no_progress) -> None:
    """Delete all nodes and edges of a generation; the caller holds the linking lock."""
    connection.write(_RETIRE, id=generation)
    removed = 0
    for statement in _DELETE:
        while deleted := connection.write(statement, id=generation, limit=DELETED_AT_ONCE)[0]["deleted"]:
            removed += deleted
            progress("deleting", removed, 0, "items")


def unlinked_videos(connection: Connection, generation: str | None = None) -> int:
    """Return how many videos with patches are not in a generation (by default the current one, if any)."""
    wanted = generation or current_generation(connection)
    known = list(get_generation(connection, wanted).present) if wanted else []
    return int(connection.read(_VIDEOS, known=known)[0]["count"])


def _with_rejections(quality: dict[str, Any], edges: int, since: int) -> dict[str, Any]:
    """Add the number of rejected edges to a quality report: before this linking, since then, and their share.

    Clustering finds an edge that was rejected before again, but it is not written.
    """
    rejected = quality.setdefault("rejected_before", 0) + since
    share = rejected / (edges + rejected) if rejected else 0.0
    return quality | {"rejected_since": since, "rejected_share": share}


def _generation(row: Row) -> Generation:
    return Generation(
        id=row["id"],
        feature_model=row["feature_model"],
        created_at=row["created_at"],
        patches=row["patches"],
        parents=row["parents"],
        children=row["children"],
        edges=row["edges"],
        quadruples=row["quadruples"],
        track_length=row["track_length"],
        held_out=tuple(row["held_out"]),
        videos=tuple(row["videos"]),
        deleted=tuple(row.get("deleted") or ()),
        parameters=json.loads(row["parameters"]),
        quality=_with_rejections(json.loads(row["quality"]), row["edges"], row["rejected"]),
        training_sizes=tuple(row["training_sizes"]),
        held_out_sizes=tuple(row["held_out_sizes"]),
        feedback=row.get("feedback", ""),
        joined=row.get("joined", ""),
        current=bool(row["current"]),
    )
