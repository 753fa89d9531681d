"""Routes of a model's map: start computing it, and its points."""

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.http.embedding_forms import NPY
from api.http.problems import JOB_STARTED, problem_responses
from api.http.routes.models import ModelId
from api.http.routes.started import started
from api.http.service import ServiceDep
from api.responses.jobs import JobResponse
from graph import models
from graph.errors import Conflict, NotFound
from graph.identifiers import require_name
from training.model_folder import MAP
from workers.requests import MapRequest

router = APIRouter(tags=["models"])


@router.post(
    "/models/{model_id}/map",
    status_code=202,
    responses=problem_responses(403, 404, 409, also=JOB_STARTED),
    summary="Compute a model's map",
)
def start_map(model_id: ModelId, shared: ServiceDep, response: Response) -> JobResponse:
    """Lay the embeddings of up to 100,000 patches out in two dimensions (UMAP); the job's result is the model's id."""
    model = models.get_model(shared.connection, model_id)
    if not shared.files.embedded(model.id):
        raise Conflict(f"No patch is embedded by model {model.id}. Compute embeddings first: transitive embed.")
    return started(response, shared.submit(MapRequest(model.id)))


@router.get(
    "/models/{model_id}/map",
    responses=problem_responses(404, also={200: {"content": {NPY: {"schema": {"type": "string"}}}}}),
    response_class=FileResponse,
    summary="A model's map",
)
def get_map(model_id: ModelId, shared: ServiceDep) -> FileResponse:
    """Answer with the map as npy: a row for each patch with the fields id (uint64), x, y (float32), video, spare."""
    model = models.get_model(shared.connection, model_id)
    path = shared.context.models / require_name("model id", model.id) / MAP
    if not path.is_file():
        raise NotFound(f"Model {model.id} has no map yet. POST /models/{model.id}/map computes it.")
    return FileResponse(path, media_type=NPY, headers={"Cache-Control": "no-cache"})
