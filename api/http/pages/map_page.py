"""The page of a model's map."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.routes.models import ModelId
from api.http.service import ServiceDep
from graph import models
from graph.queries.counts import graph_counts
from training.model_folder import MAP

router = APIRouter(include_in_schema=False)


@router.get("/browse/map")
def newest_map(shared: ServiceDep) -> Response:
    """Show the current model's map, else the newest model's that has one; without any map, offer to compute one."""
    known = shared.embedded_models()
    mapped = [model for model in known if (shared.context.models / model / MAP).is_file()]
    if not known:
        return answer("map.html", models=[], model="", mapped=False, patches=0)
    return show_map((mapped or known)[0], shared)


@router.get("/browse/map/{model_id}")
def show_map(model_id: ModelId, shared: ServiceDep) -> Response:
    """Show the map of one model."""
    model = models.get_model(shared.connection, model_id)
    return answer(
        "map.html",
        models=shared.embedded_models(),
        model=model.id,
        mapped=(shared.context.models / model.id / MAP).is_file(),
        patches=graph_counts(shared.connection).patches,
    )
