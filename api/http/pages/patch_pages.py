"""Pages of patches: the filtered gallery, and one patch with its track, its links and its nearest neighbours."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.http.pages.graph_drawing import draw_neighbourhood
from api.http.pages.optional_content import or_none
from api.http.pages.render import answer
from api.http.routes.neighbours import edge_response
from api.http.routes.paging import AfterPatch, cut
from api.http.routes.patches import PatchId, similar_patches
from api.http.routes.video_media import get_timeline
from api.http.service import Service, ServiceDep
from api.responses.vectors import SimilarResponse
from graph import videos
from graph.queries import clusters, neighbourhood
from graph.queries.listing import PatchFilter, list_patches
from graph.vectors.selection import Selection

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 96
SIMILAR = 12


@router.get("/browse/patches")
def show_patches(
    request: Request,
    shared: ServiceDep,
    video: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "",
    role: Literal["", "start", "end"] = "",
    linked: Literal["", "yes", "no"] = "",
    confidence: Annotated[float, Query(ge=0, le=1)] = 0.0,
    cluster: Annotated[str, Query(pattern="^[0-9]{0,9}$")] = "",
    after: AfterPatch = "",
) -> Response:
    """Show a gallery of patches."""
    conditions = PatchFilter(
        video=video or None,
        role=role or None,
        parent=int(cluster) if cluster else None,
        confidence=confidence or None,
        linked={"yes": True, "no": False}.get(linked),
    )
    found = list_patches(shared.connection, conditions, None, after, PAGE_ITEMS + 1)
    items, following = cut(request, found, PAGE_ITEMS, lambda patch: patch.id)
    return answer(
        "patches.html",
        patches=items,
        next=following,
        names=videos.video_names(shared.connection, sorted({patch.video_id for patch in items} | ({video} - {""}))),
        video=video,
        role=role,
        linked=linked,
        confidence=confidence,
        cluster=cluster,
        filtered=conditions != PatchFilter(),
    )


@router.get("/browse/patches/{patch_id}")
def show_patch(
    shared: ServiceDep,
    patch_id: PatchId,
    one: Annotated[str, Query(max_length=200)] = "",
    other: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show a patch: its track, its links with their reasons, its nearest neighbours by two models, and its units."""
    patch = videos.get_patch(shared.connection, patch_id)
    around = neighbourhood.neighbours(shared.connection, patch_id, "both", 2)
    near = neighbourhood.neighbours(shared.connection, patch_id, "both", 1)
    track = next((edge for edge in near.edges if edge.kind == "intra"), None)
    known = shared.embedded_models()
    chosen = [name for name in dict.fromkeys((one, other)) if name in known]
    chosen += [name for name in known if name not in chosen]
    return answer(
        "patch.html",
        patch=patch,
        video=videos.get_video(shared.connection, patch.video_id),
        playable=or_none(lambda: shared.sources.find(patch.video_id)) is not None,
        cluster=clusters.parent_of(shared.connection, patch_id),
        track=track,
        path=_path(shared, patch.video_id, track.from_id if track else patch_id),
        edges=[edge_response(edge) for edge in near.edges if edge.kind == "inter"],
        drawing=draw_neighbourhood(around),
        similar=[found for name in chosen[:2] if (found := _similar(shared, patch_id, name))],
        models=known,
        units=shared.units.of_patch(patch_id, patch.video_id),
    )


def _similar(shared: Service, patch_id: str, model: str) -> SimilarResponse | None:
    return or_none(lambda: similar_patches(shared, patch_id, Selection(), SIMILAR, model))


def _path(shared: Service, video_id: str, start_id: str) -> list[dict[str, object]]:
    """Return the time and box of each step of a track, for the film strip; [] if the video has no time line."""
    timeline = or_none(lambda: get_timeline(video_id, shared))
    for window in timeline.windows if timeline else []:
        for path in window.paths:
            if path.start_id == start_id:
                return [{"t": time, "box": box} for time, box in zip(path.times_s, path.boxes, strict=True)]
    return []
