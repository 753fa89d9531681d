"""The page that searches patches by a picture."""

import threading
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import Service, ServiceDep
from graph.errors import TransitiveError

router = APIRouter(include_in_schema=False)


@router.get("/browse/search")
def search(shared: ServiceDep, model: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show the form that accepts a dropped or pasted picture, and load the model's encoder meanwhile."""
    models = shared.embedded_models()
    chosen = model if model in models else next(iter(models), "")
    if chosen and (shared.context.models / chosen).is_dir():
        # the first search would wait seconds for torch and the weights
        threading.Thread(target=_load, args=(shared, chosen), name="load-encoder", daemon=True).start()
    return answer("search.html", models=models, model=chosen)


def _load(shared: Service, model: str) -> None:
    with suppress(TransitiveError):  # the search tells the reason
        shared.encoders.get(model)
