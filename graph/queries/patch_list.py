"""Query for a filtered list of patches, paged by id.

(:Patch)-[:INTRA_INSTANCE {confidence}]-(p:Patch)-[:INTER_INSTANCE {generation}]-(:Patch)     (p)-[:IN_PARENT]->(c)
"""

from dataclasses import asdict, dataclass

from graph.connection import Connection
from graph.generations.catalogue import current_generation
from graph.records import Patch
from graph.rows import as_record

_LIST = """
MATCH (p:Patch)
WHERE p.id > $after
  AND ($video = '' OR p.video_id = $video)
  AND ($role = '' OR p.role = $role)
  AND ($linked IS NULL OR $linked = EXISTS { (p)-[e:INTER_INSTANCE]-() WHERE e.generation = $generation })
  AND ($confidence = 0 OR EXISTS { (p)-[e:INTRA_INSTANCE]-() WHERE e.confidence >= $confidence })
  AND ($cluster IS NULL OR EXISTS { (p)-[:IN_PARENT]->(:ParentCluster {generation: $generation, id: $cluster}) })
RETURN p {.*} AS patch ORDER BY p.id LIMIT $limit
"""
_SOME = """
MATCH (p:Patch)
WHERE p.id IN $ids
RETURN p {.*} AS patch
"""


@dataclass(frozen=True, slots=True)
class PatchFilter:
    """Conditions on listed patches; the defaults set none."""

    video: str = ""
    role: str = ""  # start or end
    linked: bool | None = None  # whether it has an edge of the current generation
    confidence: float = 0.0  # minimum confidence of its track
    cluster: int | None = None  # parent cluster of the current generation


def list_filtered_patches(
    connection: Connection, conditions: PatchFilter, after: str = "", limit: int = 100
) -> list[Patch]:
    """Return up to `limit` patches in the order of their ids, starting after the id `after`."""
    rows = connection.read(
        _LIST, after=after, limit=limit, generation=current_generation(connection), **asdict(conditions)
    )
    return [as_record(Patch, row["patch"]) for row in rows]


def patches_by_id(connection: Connection, ids: list[str]) -> dict[str, Patch]:
    """Return the existing patches among these ids, by id."""
    found = (as_record(Patch, row["patch"]) for row in connection.read(_SOME, ids=ids))
    return {patch.id: patch for patch in found}
