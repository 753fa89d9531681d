"""Routes of a patch's edges: neighbours, paths, and why two patches are linked."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.http.problems import problem_responses
from api.http.routes.patches import PatchId, patch_response
from api.http.service import ServiceDep
from api.responses.links import EdgeResponse, NeighbourResponse, NeighboursResponse, PathPatchResponse, PathResponse
from api.responses.response import PATCH_ID
from graph.queries import neighbourhood
from graph.queries.neighbourhood import MAX_DEPTH, Edge

router = APIRouter(tags=["graph"])


def edge_response(edge: Edge) -> EdgeResponse:
    """Convert an edge to its response model, with its reason in words."""
    if edge.kind == "intra":
        why = f"the same object {edge.track_length} frames later, tracked with confidence {edge.confidence:.2f}"
    else:
        why = f"mutually among the nearest by features: distance {edge.distance:.3f}"
    return EdgeResponse(
        source=edge.from_id,
        target=edge.to_id,
        kind=edge.kind,
        why=why,
        track_length=edge.track_length,
        confidence=edge.confidence,
        distance=edge.distance,
    )


@router.get("/patches/{patch_id}/neighbours", responses=problem_responses(404), summary="What is linked to a patch")
def get_neighbours(
    patch_id: PatchId,
    shared: ServiceDep,
    kind: Annotated[Literal["intra", "inter", "both"], Query(description="Which edges are followed.")] = "both",
    depth: Annotated[int, Query(ge=1, le=MAX_DEPTH, description="How many edges away.")] = 1,
) -> NeighboursResponse:
    """Follow tracks (intra) and links of the current generation (inter), and return the reason of each edge."""
    found = neighbourhood.neighbours(shared.connection, patch_id, kind, depth)
    return NeighboursResponse(
        patch=patch_response(found.centre),
        neighbours=[NeighbourResponse(patch=patch_response(n.patch), depth=n.depth) for n in found.neighbours],
        edges=[edge_response(edge) for edge in found.edges],
        complete=found.complete,
    )


@router.get("/graph/path", responses=problem_responses(404), summary="How two patches are connected")
def get_path(
    shared: ServiceDep,
    source: Annotated[str, Query(alias="from", pattern=PATCH_ID, description="Patch id.")],
    target: Annotated[str, Query(alias="to", pattern=PATCH_ID, description="Patch id.")],
) -> PathResponse:
    """Find a shortest chain of tracks and look-alikes between two patches; 404 when there is none."""
    found = neighbourhood.path(shared.connection, source, target)
    return PathResponse(
        patches=[
            PathPatchResponse(patch=patch_response(patch), parent=parent)
            for patch, parent in zip(found.patches, found.parents, strict=True)
        ],
        edges=[edge_response(edge) for edge in found.edges],
    )
