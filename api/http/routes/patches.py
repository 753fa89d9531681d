"""Routes of a patch: its box, image, embedding and similar patches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from api.http.embedding_forms import FORMS, JSON, Accept, chosen_form, one_embedding
from api.http.problems import Described, problem_responses
from api.http.ranges import tagged_bytes
from api.http.routes.paging import MOST_INTEGER, AfterPatch, Limit, cut
from api.http.routes.selection import SelectionDep
from api.http.service import Service, ServiceDep
from api.http.stored_answers import CACHE, JPEG
from api.responses.patches import PatchResponse
from api.responses.response import PATCH_ID, VIDEO_ID, Page
from api.responses.vectors import SimilarItem, SimilarResponse, VectorResponse
from graph import videos
from graph.queries import listing
from graph.queries.listing import PatchFilter
from graph.records import Patch, Role
from graph.vectors.selection import Selection

router = APIRouter(tags=["patches"])

PatchId = Annotated[str, Path(pattern=PATCH_ID, examples=["0123456789abcdef"])]
ModelQuery = Annotated[
    str | None,
    Query(max_length=200, description="Model id; if absent the current one, else the newest with embeddings."),
]
_IMAGE: Described = {
    200: {"content": {JPEG: {}}},
    206: {"description": "The bytes asked for by Range", "content": {JPEG: {}}},
    304: {"description": "Not Modified"},
}
HowMany = Annotated[int, Query(ge=1, le=1000, description="How many.")]


def patch_response(patch: Patch) -> PatchResponse:
    """Convert a record to its response model."""
    return PatchResponse.model_validate({**_fields(patch), "image": f"/patches/{patch.id}/image"})


def _fields(patch: Patch) -> dict[str, object]:
    return {name: getattr(patch, name) for name in PatchResponse.model_fields if name != "image"}


def similar_items(found: Sequence[tuple[str, str, float]]) -> list[SimilarItem]:
    """Convert (patch, video, cosine) to its response model."""
    return [
        SimilarItem(patch_id=patch, video_id=video, similarity=cosine, image=f"/patches/{patch}/image")
        for patch, video, cosine in found
    ]


@router.get("/patches", responses=problem_responses(404), summary="List patches")
def list_patches(
    request: Request,
    shared: ServiceDep,
    video: Annotated[str | None, Query(pattern=VIDEO_ID, description="Only patches of this video.")] = None,
    role: Annotated[Role | None, Query(description="start (A) or end (A').")] = None,
    parent: Annotated[int | None, Query(ge=0, le=MOST_INTEGER, description="Parent cluster of its track.")] = None,
    confidence: Annotated[float | None, Query(ge=0, le=1, description="Least confidence of its track.")] = None,
    no_object: Annotated[bool | None, Query(description="Only those marked as no object, or not.")] = None,
    generation: Annotated[str | None, Query(max_length=200, description="Of `parent`; the current if absent.")] = None,
    after: AfterPatch = "",
    limit: Limit = 100,
) -> Page[PatchResponse]:
    """List the patches that fit all conditions, in the order of their ids. Follow `next` until it is null."""
    conditions = PatchFilter(video, role, parent, confidence, no_object)
    found = listing.list_patches(shared.connection, conditions, generation, after, limit + 1)
    items, following = cut(request, found, limit, lambda patch: patch.id)
    return Page(items=[patch_response(patch) for patch in items], next=following)


@router.get("/patches/{patch_id}", responses=problem_responses(404), summary="One patch")
def get_patch(patch_id: PatchId, shared: ServiceDep) -> PatchResponse:
    """Read a patch's video, frame, box and role."""
    return patch_response(videos.get_patch(shared.connection, patch_id))


@router.get(
    "/patches/{patch_id}/image",
    responses=problem_responses(404, also=_IMAGE),
    response_class=Response,
    summary="A patch's pixels",
)
def get_image(request: Request, patch_id: PatchId, shared: ServiceDep) -> Response:
    """Answer with the 96×96 JPEG that the networks see, or with a range of its bytes. Neo4j is not queried."""
    return tagged_bytes(request, shared.files.jpeg(patch_id), JPEG, CACHE)


@router.get(
    "/patches/{patch_id}/embedding",
    response_model=VectorResponse,
    responses=problem_responses(404, 406, also=FORMS),
    summary="A patch's embedding",
)
def get_embedding(patch_id: PatchId, shared: ServiceDep, model: ModelQuery = None, accept: Accept = JSON) -> Response:
    """Read the stored embedding, of length 1; as npy an array of one axis."""
    form = chosen_form(accept)
    name = shared.embedded_model(model)
    return one_embedding(form, name, patch_id, shared.files.embeddings(name, [patch_id])[0])


@router.get(
    "/patches/{patch_id}/similar",
    response_model=SimilarResponse,
    responses=problem_responses(404),
    summary="Patches most like a patch",
)
async def get_similar(
    patch_id: PatchId,
    shared: ServiceDep,
    wanted: SelectionDep,
    k: HowMany = 10,
    model: ModelQuery = None,
    other_videos: Annotated[bool, Query(description="Leave out the patch's own video.")] = False,
) -> Response:
    """Search the embeddings of the other patches; best first.

    With 20,000 vectors or more, the search uses an index; `GET /models/{id}/index` has its measured recall.
    """

    def found() -> bytes:
        own = frozenset([shared.files.video_of(patch_id)] if other_videos else [])
        narrowed = replace(wanted, without_videos=wanted.without_videos | own)
        return similar_patches(shared, patch_id, narrowed, k, model).model_dump_json().encode()

    # written in the search's own thread; FastAPI would check the items again and write them in another thread
    return Response(await to_thread.run_sync(found, limiter=shared.searches), media_type=JSON)


def similar_patches(
    shared: Service, patch_id: str, wanted: Selection, k: int, model: str | None = None
) -> SimilarResponse:
    """Return the `k` patches most like a patch, without the patch itself; raises `NotFound`."""
    name = shared.embedded_model(model)
    vector = shared.similar.vector(name, patch_id)
    found = shared.similar.search(name, vector, k, replace(wanted, without_patch=patch_id))
    return SimilarResponse(model=name, items=similar_items(found))
