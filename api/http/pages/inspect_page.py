"""The page on which people judge links with the keyboard."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import ServiceDep
from graph.generations.catalogue import current_generation

router = APIRouter(include_in_schema=False)


@router.get("/browse/inspect")
def inspect(shared: ServiceDep) -> Response:
    """Show the inspector."""
    return answer(
        "inspect.html",
        generation=current_generation(shared.connection),
        models=shared.embedded_models(),
    )
