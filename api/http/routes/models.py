"""Routes of trained models."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.http.problems import problem_responses
from api.http.routes.paging import AfterText, Limit, cut
from api.http.service import ServiceDep
from api.responses import ModelResponse, Page
from graph import models

router = APIRouter(tags=["models"])

ModelId = Annotated[str, Path(max_length=200, examples=["transitive-1f0c6a2b"])]


@router.get("/models", responses=problem_responses(), summary="List trained networks")
def list_models(request: Request, shared: ServiceDep, after: AfterText = "", limit: Limit = 100) -> Page[ModelResponse]:
    """Page by key: follow `next` until it is null."""
    found, following = cut(request, models.list_models(shared.connection, after, limit + 1), limit, lambda m: m.id)
    return Page(items=[ModelResponse.model_validate(model) for model in found], next=following)


@router.get("/models/{model_id}", responses=problem_responses(404), summary="One trained network")
def get_model(model_id: ModelId, shared: ServiceDep) -> ModelResponse:
    """Read a model's recipe, preset, steps and sizes."""
    return ModelResponse.model_validate(models.get_model(shared.connection, model_id))
