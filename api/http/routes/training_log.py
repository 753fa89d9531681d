"""Routes of a training's log: loss, share of active triplets, images a second and held-out measures by step."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http.problems import problem_responses
from api.http.routes.jobs import JobId
from api.http.routes.models import ModelId
from api.http.service import ServiceDep
from graph import jobs, models
from graph.errors import NotFound
from graph.identifiers import require_name
from training.journal import read_log

router = APIRouter(tags=["models"])

MOST_LINES = 2000  # lines of one answer; a longer log is thinned, except for its held-out measures

AfterStep = Annotated[int, Query(ge=0, le=2**63 - 1, description="Only lines of later steps.")]


class TrainingLogResponse(BaseModel):
    """The log of one training, in the order of its steps."""

    model: str
    lines: list[dict[str, float | str]] = Field(
        description="`step`, `loss` and the other measures of that step; held-out measures begin with `health_`."
    )


@router.get("/models/{model_id}/log", responses=problem_responses(404), summary="A training's log")
def get_training_log(model_id: ModelId, shared: ServiceDep, after: AfterStep = 0) -> TrainingLogResponse:
    """Read the numbers that a model's training logged."""
    models.get_model(shared.connection, model_id)
    return _read(shared.context.models / require_name("model id", model_id), after)


@router.get("/jobs/{job_id}/training", responses=problem_responses(404), summary="The log of a job's training")
def get_job_training_log(job_id: JobId, shared: ServiceDep, after: AfterStep = 0) -> TrainingLogResponse:
    """Read the log of a job's training so far; 404 before its first line."""
    job = jobs.get_job(shared.connection, job_id)
    model = jobs.training_of(shared.connection, job_id) or (job.result if job.kind == "train" else "")
    if not model:
        raise NotFound(f"Job {job_id} has logged no training step yet.")
    return _read(shared.context.models / require_name("model id", model), after)


def _read(folder: Path, after: int) -> TrainingLogResponse:
    lines = [line for line in read_log(folder) if line["step"] > after]
    every = -(-len(lines) // MOST_LINES) or 1
    kept = [
        line
        for number, line in enumerate(lines)
        if number % every == 0 or number == len(lines) - 1 or any(name.startswith("health_") for name in line)
    ]
    return TrainingLogResponse(model=folder.name, lines=kept)
