"""The page that searches patches by a picture."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import ServiceDep

router = APIRouter(include_in_schema=False)


@router.get("/browse/search")
def search(shared: ServiceDep, model: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show the form that accepts a dropped or pasted picture."""
    return answer("search.html", models=shared.embedded_models(), model=model)
