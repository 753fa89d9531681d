"""Routes of trained models."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.problems import problem_responses
from api.http.routes.paging import AfterText, Limit, cut
from api.http.service import ServiceDep
from api.responses.models import IndexResponse, ModelResponse
from api.responses.response import Page
from graph import models
from graph.errors import NotFound
from graph.records import Model

router = APIRouter(tags=["models"])


class ChosenModel(BaseModel):
    """The model to use."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"model": "transitive-1f0c6a2b"}]})

    model: str = Field(min_length=1, max_length=200)


ModelId = Annotated[str, Path(max_length=200, examples=["transitive-1f0c6a2b"])]


def model_response(model: Model, current: Model | None) -> ModelResponse:
    """Convert a record to its response model."""
    return ModelResponse(**asdict(model), current=current is not None and current.id == model.id)


@router.get("/models", responses=problem_responses(), summary="List trained networks")
def list_models(request: Request, shared: ServiceDep, after: AfterText = "", limit: Limit = 100) -> Page[ModelResponse]:
    """Page by key: follow `next` until it is null."""
    found, following = cut(request, models.list_models(shared.connection, after, limit + 1), limit, lambda m: m.id)
    current = models.current_model(shared.connection)
    return Page(items=[model_response(model, current) for model in found], next=following)


@router.get("/models/current", responses=problem_responses(404), summary="The model in use")
def get_current_model(shared: ServiceDep) -> ModelResponse:
    """Read the current model, which embeds new videos and is the default of other routes; 404 if there is none."""
    current = models.current_model(shared.connection)
    if current is None:
        raise NotFound("No model is in use yet. `transitive embed` takes the newest; PUT /models/current names one.")
    return model_response(current, current)


@router.put("/models/current", responses=problem_responses(403, 404), summary="Use a model")
def use_model(shared: ServiceDep, chosen: ChosenModel) -> ModelResponse:
    """Make a model the current one. It embeds new videos at once; POST /embeddings/jobs embeds the existing ones."""
    model = models.use_model(shared.connection, chosen.model)
    return model_response(model, model)


@router.get("/models/{model_id}", responses=problem_responses(404), summary="One trained network")
def get_model(model_id: ModelId, shared: ServiceDep) -> ModelResponse:
    """Read a model's recipe, preset, steps and sizes."""
    return model_response(models.get_model(shared.connection, model_id), models.current_model(shared.connection))


@router.get("/models/{model_id}/index", responses=problem_responses(404), summary="The vector index of a model")
def get_index(model_id: ModelId, shared: ServiceDep) -> IndexResponse:
    """Read how many vectors the index holds, and the recall that was measured when it was built.

    A model of few vectors has no index: its searches compare every vector.
    """
    known = models.get_model(shared.connection, model_id).id
    index = shared.similar.index(known)
    outside = shared.similar.uncovered(known)
    if index is None:
        return IndexResponse(model=known, videos_outside=outside)
    made = index.manifest
    return IndexResponse(
        model=known, vectors=made.rows, recall=made.recall, built_at=made.built_at, videos_outside=outside
    )
