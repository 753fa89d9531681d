"""Pages of patches: the gallery, and one patch with what it is linked to and why."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.pages.there import or_none
from api.http.routes import patches as patch_routes
from api.http.routes.neighbours import get_neighbours
from api.http.routes.patches import PatchId
from api.http.service import ServiceDep
from api.responses import SimilarItem
from graph import videos
from graph.queries import clusters

router = APIRouter(include_in_schema=False)

SIMILAR = 12


@router.get("/browse/patches/{patch_id}")
def show_patch(shared: ServiceDep, patch_id: PatchId) -> Response:
    """Show a patch with what is linked to it, why, and what its embedding is near to."""
    patch = videos.get_patch(shared.connection, patch_id)
    similar = or_none(lambda: patch_routes.get_similar(patch_id, shared, SIMILAR))
    items: list[SimilarItem] = similar.items if similar else []
    return answer(
        "patch.html",
        patch=patch,
        video=videos.get_video(shared.connection, patch.video_id),
        cluster=clusters.parent_of(shared.connection, patch_id),
        edges=get_neighbours(patch_id, shared).edges,
        similar=items,
        model=similar.model if similar else "",
    )
