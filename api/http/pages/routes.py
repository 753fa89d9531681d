"""Routes of the HTML pages under /browse. They show what the API answers."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.http.pages.render import HEADERS, STYLE, page
from api.http.routes import graph as graph_routes
from api.http.routes import patches as patch_routes
from api.http.routes.jobs import list_jobs
from api.http.routes.neighbours import get_neighbours
from api.http.routes.paging import MOST_INTEGER, AfterPatch, AfterText, AfterVideo
from api.http.routes.patches import PatchId
from api.http.routes.videos import VideoId, list_patches, list_videos
from api.http.service import ServiceDep
from api.responses import SimilarItem
from graph import models, videos
from graph.errors import NotFound
from graph.queries import clusters
from graph.queries.counts import graph_counts

router = APIRouter(include_in_schema=False)

Found = TypeVar("Found")

PAGE_ITEMS = 60
SIMILAR = 12


def _html(template: str, **shown: object) -> Response:
    return HTMLResponse(page(template, **shown), headers=HEADERS)


def _or_none(read: Callable[[], Found]) -> Found | None:
    """Return None where there is nothing yet: a page shows what there is."""
    try:
        return read()
    except NotFound:
        return None


@router.get("/")
def start() -> Response:
    """Lead people who type the bare address to the pages."""
    return RedirectResponse("/browse")


@router.get("/browse/style.css")
def style() -> Response:
    """Answer with the pages' style."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/browse")
def overview(request: Request, shared: ServiceDep) -> Response:
    """Show counts and models."""
    counts = asdict(graph_counts(shared.connection))
    return _html(
        "overview.html", counts=counts, models=models.list_models(shared.connection), base=str(request.base_url)
    )


@router.get("/browse/videos")
def show_videos(request: Request, shared: ServiceDep, after: AfterVideo = "") -> Response:
    """Show the videos."""
    found = list_videos(request, shared, after, PAGE_ITEMS)
    return _html("videos.html", videos=found.items, next=found.next, after=after)


@router.get("/browse/videos/{video_id}")
def show_video(request: Request, shared: ServiceDep, video_id: VideoId, after: AfterPatch = "") -> Response:
    """Show a video's patches."""
    video = videos.get_video(shared.connection, video_id)
    found = list_patches(request, video_id, shared, after, PAGE_ITEMS)
    return _html("video.html", video=video, patches=found.items, next=found.next, after=after)


@router.get("/browse/patches/{patch_id}")
def show_patch(shared: ServiceDep, patch_id: PatchId) -> Response:
    """Show a patch with what is linked to it, why, and what its embedding is near to."""
    patch = videos.get_patch(shared.connection, patch_id)
    similar = _or_none(lambda: patch_routes.get_similar(patch_id, shared, SIMILAR))
    items: list[SimilarItem] = similar.items if similar else []
    return _html(
        "patch.html",
        patch=patch,
        video=videos.get_video(shared.connection, patch.video_id),
        cluster=clusters.parent_of(shared.connection, patch_id),
        edges=get_neighbours(patch_id, shared).edges,
        similar=items,
        model=similar.model if similar else "",
    )


@router.get("/browse/quadruples")
def show_quadruples(request: Request, shared: ServiceDep, after: graph_routes.AfterQuadruple = "") -> Response:
    """Show quadruples, a row each."""
    found = _or_none(lambda: graph_routes.list_quadruples(request, shared, after=after, limit=20))
    return _html("quadruples.html", quadruples=found.items if found else [], next=found.next if found else None)


@router.get("/browse/clusters")
def show_clusters(
    request: Request, shared: ServiceDep, after: Annotated[int, Query(ge=-1, le=MOST_INTEGER)] = -1
) -> Response:
    """Show parent clusters, a row each."""
    found = _or_none(lambda: graph_routes.list_clusters(request, shared, after=after, limit=20))
    return _html("clusters.html", clusters=found.items if found else [], next=found.next if found else None)


@router.get("/browse/clusters/{cluster_id}")
def show_cluster(
    request: Request,
    shared: ServiceDep,
    cluster_id: Annotated[int, Path(ge=0, le=MOST_INTEGER)],
    after: AfterPatch = "",
) -> Response:
    """Show a parent cluster's children and members."""
    cluster = graph_routes.get_cluster(request, shared, cluster_id, after=after, limit=PAGE_ITEMS)
    return _html("cluster.html", cluster=cluster, next=cluster.patches.next)


@router.get("/browse/jobs")
def show_jobs(request: Request, shared: ServiceDep, after: AfterText = "") -> Response:
    """Show jobs, newest first."""
    found = list_jobs(request, shared, after, PAGE_ITEMS)
    return _html("jobs.html", jobs=found.items, next=found.next, after=after)
