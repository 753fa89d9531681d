"""Explanation of why two patches are linked: the chain of tracks, edges and clusters between them.

    (A')←[:INTRA_INSTANCE]–(A)–[:INTER_INSTANCE]–(B)–[:INTRA_INSTANCE]→(B')
                            │ IN_CHILD         │ IN_CHILD
                            └──→(:ChildCluster)←──┘        all in one (:ParentCluster)

The chain is the provenance of a training pair: the kind of positive (section 5) and the evidence for it.
"""

from dataclasses import dataclass

from graph.connection import Connection
from graph.errors import NotFound
from graph.generations.catalogue import Generation, require_generation
from graph.queries.neighbourhood import Edge, path
from graph.records import Patch

# kinds of edges along the chain → kind of positive
POSITIVES = {
    ("intra",): "A–A'",
    ("inter",): "A–B",
    ("inter", "intra"): "A–B'",
    ("intra", "inter"): "A'–B",
    ("intra", "inter", "intra"): "A'–B'",
}

# (v:Video)-[:HAS_PATCH]->(p)
_VIDEOS = """
UNWIND $ids AS id
MATCH (v:Video)-[:HAS_PATCH]->(p:Patch {id: id})
RETURN id, v.name AS name
"""
# (a)-[:IN_CHILD]->(c)<-[:IN_CHILD]-(b)
_CHILDREN = """
MATCH (a:Patch {id: $a})-[:IN_CHILD]->(c:ChildCluster)<-[:IN_CHILD]-(b:Patch {id: $b})
WHERE c.generation = $generation
RETURN c.id AS child, c.parent AS parent, COLLECT { MATCH (p:Patch)-[:IN_CHILD]->(c) RETURN p.id ORDER BY p.id } AS ids
ORDER BY child
"""
_PARENT_SIZE = """
MATCH (c:ParentCluster {generation: $generation, id: $parent})
RETURN c.size AS size
"""


@dataclass(frozen=True, slots=True)
class SharedChild:
    """A child cluster that holds both ends of an inter-instance edge."""

    id: int
    parent: int
    patch_ids: tuple[str, ...]  # its members, sorted


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of the chain; for an inter-instance edge, also the child clusters that contain both ends."""

    edge: Edge
    children: tuple[SharedChild, ...] = ()
    parent_size: int = 0  # patches in the parent cluster


@dataclass(frozen=True, slots=True)
class Explanation:
    """The shortest chain between two patches in one generation."""

    positive: str  # one of `POSITIVES`; "" if training does not pair these two
    patches: tuple[Patch, ...]
    videos: tuple[str, ...]  # name of each patch's video
    steps: tuple[Step, ...]  # one fewer than patches
    generation: str
    feature_model: str
    held_out: bool  # whether a patch belongs to a video that is kept out of training

    def sentences(self) -> list[str]:
        """Return the explanation in sentences: a summary, then one sentence per step."""
        lines = [self._head()]
        for step, a, b, a_video, b_video in zip(
            self.steps, self.patches, self.patches[1:], self.videos, self.videos[1:], strict=False
        ):
            edge = step.edge
            if edge.kind == "intra":
                lines.append(
                    f"{a.id} ({a_video}, {a.time_s:.2f} s) and {b.id} ({b.time_s:.2f} s) show one object, tracked over "
                    f"{edge.track_length} frames with confidence {edge.confidence:.2f}."
                )
                continue
            groups = "; ".join(f"child {child.id}: {', '.join(child.patch_ids)}" for child in step.children)
            lines.append(
                f"{a.id} ({a_video}, {a.time_s:.2f} s) and {b.id} ({b_video}, {b.time_s:.2f} s) are mutual nearest "
                f"neighbours at distance {edge.distance:.3f}, in parent {step.children[0].parent} of "
                f"{step.parent_size} patches ({groups})."
            )
        return lines

    def _head(self) -> str:
        kind = f"a training pair {self.positive}" if self.positive else "not a training pair"
        kept = ", held out of training" if self.held_out else ""
        return f"In generation {self.generation} (features: {self.feature_model}) these patches are {kind}{kept}."


def why_alike(connection: Connection, from_id: str, to_id: str) -> Explanation:
    """Explain why the current generation treats two patches as alike.

    Raises `NotFound` for an unknown patch, before the first linking, and when no path connects the two patches.
    """
    generation = require_generation(connection)
    chain = path(connection, from_id, to_id)
    if not chain.edges:
        raise NotFound(f"Both ids name patch {from_id}. Name two different patches.")
    names = {row["id"]: row["name"] for row in connection.read(_VIDEOS, ids=[patch.id for patch in chain.patches])}
    if len(names) < len(chain.patches):
        raise NotFound(f"A patch between {from_id} and {to_id} was deleted in the meantime.")
    held_out = set(generation.held_out)
    return Explanation(
        POSITIVES.get(tuple(edge.kind for edge in chain.edges), ""),
        chain.patches,
        tuple(names[patch.id] for patch in chain.patches),
        tuple(_step(connection, generation, edge) for edge in chain.edges),
        generation.id,
        generation.feature_model,
        any(patch.video_id in held_out for patch in chain.patches),
    )


def _step(connection: Connection, generation: Generation, edge: Edge) -> Step:
    if edge.kind == "intra":
        return Step(edge)
    rows = connection.read(_CHILDREN, a=edge.from_id, b=edge.to_id, generation=generation.id)
    children = tuple(SharedChild(row["child"], row["parent"], tuple(row["ids"])) for row in rows)
    sizes = connection.read(_PARENT_SIZE, generation=generation.id, parent=children[0].parent) if children else []
    if not sizes:
        raise NotFound(f"The link of {edge.from_id} and {edge.to_id} was deleted in the meantime.")
    return Step(edge, children, sizes[0]["size"])
