"""HTTP routes that read counts, quadruples and clusters of the graph."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from api.http.problems import problem_responses
from api.http.routes.paging import MOST_INTEGER, AfterPatch, Limit, cut
from api.http.routes.patches import patch_response
from api.http.service import ServiceDep
from api.responses.generations import ClusterDetailResponse, ClusterResponse, StatsResponse
from api.responses.links import QuadrupleResponse
from api.responses.response import VIDEO_ID, Page
from graph.queries import clusters, quadruples
from graph.queries.counts import graph_counts
from graph.queries.quadruples import QuadrupleFilter
from graph.records import Quadruple

router = APIRouter(tags=["graph"])

GenerationQuery = Annotated[str | None, Query(max_length=200, description="Linking run; the current one if absent.")]
AfterQuadruple = Annotated[
    str,
    Query(pattern="^([0-9a-f]{16}(-[0-9a-f]{16}){3})?$", description="Key of the last one of the page before."),
]
MOST_GROUPS = 200


@router.get("/graph/stats", responses=problem_responses(), summary="Counts of the graph")
def stats(shared: ServiceDep) -> StatsResponse:
    """Count videos, patches and tracks, and the current generation's clusters, edges and quadruples."""
    model, missing = shared.without_embedding()
    return StatsResponse(**asdict(graph_counts(shared.connection)), model=model, without_embedding=missing)


@router.get("/graph/quadruples", responses=problem_responses(404), summary="A, A', B, B'")
def list_quadruples(
    request: Request,
    shared: ServiceDep,
    generation: GenerationQuery = None,
    parent: Annotated[int | None, Query(ge=0, le=MOST_INTEGER, description="Parent cluster of A and B.")] = None,
    video: Annotated[str | None, Query(pattern=VIDEO_ID, description="A video that A or B is from.")] = None,
    confidence: Annotated[float | None, Query(ge=0, le=1, description="Least confidence of both tracks.")] = None,
    largest_distance: Annotated[float | None, Query(ge=0, le=2, description="Of A and B, 1 − cosine.")] = None,
    held_out: Annotated[bool | None, Query(description="With (true) or without a video kept out of training.")] = None,
    after: AfterQuadruple = "",
    limit: Limit = 100,
) -> Page[QuadrupleResponse]:
    """List quadruples of a generation in the order of A, B, A', B'. Page by key: follow `next` until it is null."""
    conditions = QuadrupleFilter(parent, video, confidence, largest_distance, held_out)
    a, b, a_prime, b_prime = after.split("-") if after else ("", "", "", "")
    found = quadruples.list_quadruples(shared.connection, generation, conditions, (a, b, a_prime, b_prime), limit + 1)
    items, following = cut(request, found, limit, lambda q: "-".join((q[0].a, q[0].b, q[0].a_prime, q[0].b_prime)))
    return Page(items=[quadruple_response(*item) for item in items], next=following)


def quadruple_response(quadruple: Quadruple, distance: float) -> QuadrupleResponse:
    """Convert a quadruple and the distance of A and B to its response model."""
    q = quadruple
    return QuadrupleResponse(
        a=q.a, a_prime=q.a_prime, b=q.b, b_prime=q.b_prime, a_parent=q.a_parent, b_parent=q.b_parent, distance=distance
    )


@router.get("/clusters", responses=problem_responses(404), summary="List parent clusters")
def list_clusters(
    request: Request,
    shared: ServiceDep,
    generation: GenerationQuery = None,
    after: Annotated[int, Query(ge=-1, le=MOST_INTEGER, description="Id of the last cluster of the page before.")] = -1,
    limit: Limit = 100,
    size: Annotated[int, Query(ge=0, le=MOST_INTEGER, description="Fewest track starts.")] = 0,
    sort: Annotated[Literal["id", "size"], Query(description="id ascends; size descends.")] = "id",
) -> Page[ClusterResponse]:
    """List the parent clusters of a generation. Page by key: follow `next` until it is null."""
    found = clusters.list_parents(
        shared.connection, generation, after, limit + 1, smallest=size, largest_first=sort == "size"
    )
    items, following = cut(request, found, limit, lambda parent: str(parent.id))
    return Page(items=[ClusterResponse.model_validate(parent) for parent in items], next=following)


@router.get("/clusters/{cluster_id}", responses=problem_responses(404), summary="One parent cluster")
def get_cluster(
    request: Request,
    shared: ServiceDep,
    cluster_id: Annotated[int, Path(ge=0, le=MOST_INTEGER)],
    generation: GenerationQuery = None,
    after: AfterPatch = "",
    limit: Limit = 100,
) -> ClusterDetailResponse:
    """Read a parent cluster, its members (paged by key) and the first of its child clusters."""
    parent = clusters.get_parent(shared.connection, cluster_id, generation)
    members = clusters.list_members(shared.connection, parent, after, limit + 1)
    items, following = cut(request, members, limit, lambda patch: patch.id)
    return ClusterDetailResponse(
        id=parent.id,
        generation=parent.generation,
        size=parent.size,
        children=parent.children,
        examples=parent.examples,
        patches=Page(items=[patch_response(patch) for patch in items], next=following),
        groups=clusters.list_children(shared.connection, parent, MOST_GROUPS),
    )
