"""Pages of links: quadruples and parent clusters."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.http.pages.optional_content import or_none
from api.http.pages.render import answer
from api.http.routes import graph as graph_routes
from api.http.routes.paging import MOST_INTEGER, AfterPatch
from api.http.service import ServiceDep

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 60
ROWS = 20


@router.get("/browse/quadruples")
def show_quadruples(request: Request, shared: ServiceDep, after: graph_routes.AfterQuadruple = "") -> Response:
    """Show quadruples, a row each."""
    found = or_none(lambda: graph_routes.list_quadruples(request, shared, after=after, limit=ROWS))
    return answer("quadruples.html", quadruples=found.items if found else [], next=found.next if found else None)


@router.get("/browse/clusters")
def show_clusters(
    request: Request, shared: ServiceDep, after: Annotated[int, Query(ge=-1, le=MOST_INTEGER)] = -1
) -> Response:
    """Show parent clusters, a row each."""
    found = or_none(lambda: graph_routes.list_clusters(request, shared, after=after, limit=ROWS))
    return answer("clusters.html", clusters=found.items if found else [], next=found.next if found else None)


@router.get("/browse/clusters/{cluster_id}")
def show_cluster(
    request: Request,
    shared: ServiceDep,
    cluster_id: Annotated[int, Path(ge=0, le=MOST_INTEGER)],
    after: AfterPatch = "",
) -> Response:
    """Show a parent cluster's children and members."""
    cluster = graph_routes.get_cluster(request, shared, cluster_id, after=after, limit=PAGE_ITEMS)
    return answer("cluster.html", cluster=cluster, next=cluster.patches.next)
