"""Layout of a patch's neighbourhood: the patch in the middle, and one ring for each graph distance."""

from dataclasses import dataclass
from math import cos, pi, sin

from graph.queries.neighbourhood import Edge, Neighbourhood

SIDE = 720.0  # of the drawing, in its own units
RINGS = (0.0, 165.0, 300.0)  # radius by the number of edges away
NODE = (92.0, 64.0, 44.0)  # side of a node's picture
MOST = (1, 14, 26)  # nodes of a ring


@dataclass(frozen=True, slots=True)
class Node:
    """A patch in the drawing."""

    id: str
    x: float  # left edge of its picture
    y: float
    side: float
    role: str


@dataclass(frozen=True, slots=True)
class Line:
    """An edge in the drawing."""

    kind: str
    x1: float
    y1: float
    x2: float
    y2: float
    why: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Nodes and lines inside a square of `side`, and the number of patches that were left out for lack of room."""

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    left_out: int
    side: float = SIDE


def draw_neighbourhood(found: Neighbourhood) -> Drawing:
    """Place the patches of a neighbourhood of depth 2; a patch is placed near the patch that it was reached from."""
    angles = {found.centre.id: 0.0}
    places = {found.centre.id: (SIDE / 2, SIDE / 2)}
    nodes = [_node(found.centre.id, SIDE / 2, SIDE / 2, 0, found.centre.role)]
    for depth in (1, 2):
        ring = [one.patch for one in found.neighbours if one.depth == depth]
        ring.sort(key=lambda patch: (_towards(found.edges, patch.id, angles), patch.id))
        ring = ring[: MOST[depth]]
        for number, patch in enumerate(ring):
            angle = 2 * pi * number / len(ring) - pi / 2
            angles[patch.id] = 2 * pi * number / len(ring)
            places[patch.id] = SIDE / 2 + RINGS[depth] * cos(angle), SIDE / 2 + RINGS[depth] * sin(angle)
            nodes.append(_node(patch.id, *places[patch.id], depth, patch.role))
    lines = [
        Line(edge.kind, *places[edge.from_id], *places[edge.to_id], _why(edge))
        for edge in found.edges
        if edge.from_id in places and edge.to_id in places
    ]
    return Drawing(tuple(nodes), tuple(lines), 1 + len(found.neighbours) - len(nodes))


def _node(patch_id: str, x: float, y: float, depth: int, role: str) -> Node:
    side = NODE[depth]
    return Node(patch_id, round(x - side / 2, 1), round(y - side / 2, 1), side, role)


def _towards(edges: tuple[Edge, ...], patch_id: str, angles: dict[str, float]) -> float:
    """Return the angle of a patch nearer to the centre that this one has an edge to."""
    for edge in edges:
        for one, other in ((edge.from_id, edge.to_id), (edge.to_id, edge.from_id)):
            if one == patch_id and other in angles:
                return angles[other]
    return 0.0


def _why(edge: Edge) -> str:
    if edge.kind == "intra":
        return f"one track, {edge.track_length} frames"
    return f"look alike, distance {edge.distance:.3f}"
