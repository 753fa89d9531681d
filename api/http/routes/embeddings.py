"""Routes that embed pictures, look embeddings up by patch id, and search by picture."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Body, File, Query, Response, UploadFile
from pydantic import BaseModel, Field, StringConstraints

from api.http.embedding_forms import FORMS, JSON, Accept, answer, chosen_form
from api.http.patch_files import Vectors
from api.http.problems import problem_responses
from api.http.routes.patches import ModelQuery, similar_items
from api.http.routes.selection import SelectionDep
from api.http.service import Service, ServiceDep
from api.responses.response import PATCH_ID
from api.responses.vectors import SimilarResponse, VectorsResponse
from graph.errors import InvalidInput
from training.pictures import ACCEPTED, pictures_to_patches

router = APIRouter(tags=["embeddings"])

MOST_PICTURES = 256
MOST_IDS = 100_000

Pictures = Annotated[
    list[UploadFile],
    File(
        description=f"{ACCEPTED}; the central square is used.",
        json_schema_extra={"minItems": 1, "maxItems": MOST_PICTURES},
    ),
]


class Lookup(BaseModel):
    """The patches whose embeddings are requested, and the model."""

    ids: list[Annotated[str, StringConstraints(pattern=PATCH_ID)]] = Field(
        min_length=1, max_length=MOST_IDS, examples=[["0123456789abcdef"]]
    )
    model: str | None = Field(
        None, max_length=200, description="Model id; if absent the current one, else the newest with embeddings."
    )


def _embed(shared: Service, model: str | None, sent: list[tuple[str, bytes]]) -> tuple[str, Vectors]:
    patches = pictures_to_patches(sent)
    known, encoder = shared.encoder(model)
    return known.id, encoder.encode(patches)


async def _read(files: list[UploadFile]) -> list[tuple[str, bytes]]:
    if len(files) > MOST_PICTURES:
        raise InvalidInput(f"{len(files)} pictures are more than {MOST_PICTURES}. Send them in several requests.")
    return [(file.filename or f"picture {number}", await file.read()) for number, file in enumerate(files, 1)]


@router.post(
    "/embeddings",
    response_model=VectorsResponse,
    responses=problem_responses(403, 404, 406, 413, also=FORMS),
    summary="Embed pictures",
)
async def embed_pictures(
    shared: ServiceDep, files: Pictures, model: ModelQuery = None, accept: Accept = JSON
) -> Response:
    """Encode up to 256 pictures; ids are their file names. The model is loaded at its first use and kept."""
    form = chosen_form(accept)
    sent = await _read(files)
    name, vectors = await to_thread.run_sync(_embed, shared, model, sent)
    return answer(form, name, [name for name, _ in sent], vectors)


@router.post(
    "/embeddings/lookup",
    response_model=VectorsResponse,
    responses=problem_responses(403, 404, 406, 413, also=FORMS),
    summary="Embeddings of many patches",
)
def look_up(shared: ServiceDep, asked: Annotated[Lookup, Body()], accept: Accept = JSON) -> Response:
    """Read stored embeddings, one row per id in the requested order; 404 if one is missing."""
    form = chosen_form(accept)
    name = shared.embedded_model(asked.model)
    return answer(form, name, asked.ids, shared.files.embeddings(name, asked.ids))


@router.post("/similar", responses=problem_responses(403, 404, 413), summary="Patches most like a picture")
async def find_similar(
    shared: ServiceDep,
    wanted: SelectionDep,
    file: Annotated[UploadFile, File(description=f"{ACCEPTED}; the central square is used.")],
    k: Annotated[int, Query(ge=1, le=1000, description="How many.")] = 10,
    model: ModelQuery = None,
) -> SimilarResponse:
    """Encode a picture and search the embeddings of the patches; best first."""
    sent = await _read([file])
    name, vectors = await to_thread.run_sync(_embed, shared, model, sent)
    found = await to_thread.run_sync(shared.similar.search, name, vectors[0], k, wanted, limiter=shared.searches)
    return SimilarResponse(model=name, items=similar_items(found))
