"""Routes of generations: the linking runs, their quality reports, and deletion of old ones."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.http.problems import problem_responses
from api.http.service import ServiceDep
from api.responses.generations import GenerationResponse
from graph.generations import catalogue
from graph.generations.centroids import forget_centroids

router = APIRouter(tags=["graph"])

GenerationId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", examples=["653331d19723"])]


@router.get("/generations/{generation_id}", responses=problem_responses(404), summary="One linking run")
def get_generation(generation_id: GenerationId, shared: ServiceDep) -> GenerationResponse:
    """Read what a linking run was made from, what it found, and its quality report."""
    return GenerationResponse.model_validate(catalogue.get_generation(shared.connection, generation_id))


@router.delete(
    "/generations/{generation_id}",
    status_code=204,
    responses=problem_responses(403, 404, 409),
    summary="Delete an old linking run",
)
def delete_generation(generation_id: GenerationId, shared: ServiceDep) -> None:
    """Remove an old generation with its clusters and edges; 409 for the current one and for one in a training."""
    catalogue.delete_generation(shared.connection, generation_id)
    forget_centroids(shared.context.shards, generation_id)
