"""The page that searches patches by a picture."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import ServiceDep
from graph import models

router = APIRouter(include_in_schema=False)


@router.get("/browse/search")
def search(shared: ServiceDep, model: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show where a picture is dropped or pasted."""
    known = models.newest_models(shared.connection, embedding=True)
    return answer("search.html", models=[one.id for one in known if shared.files.embedded(one.id)], model=model)
