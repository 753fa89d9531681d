"""Refusal of query parameters that a route does not have.

If a misspelt filter were ignored, its result would look valid. So every route answers 422 and names its parameters.
"""

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from graph.errors import InvalidInput


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `InvalidInput` for a query parameter that the request's route does not declare."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.query_params:
        return
    known = _declared(route.dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        takes = ", ".join(sorted(known)) or "none"
        raise InvalidInput(f"Unknown query parameter {unknown[0]!r}. {request.url.path} takes: {takes}.")


def _declared(dependant: Dependant) -> set[str]:
    found = {field.alias for field in dependant.query_params}
    return found.union(*map(_declared, dependant.dependencies))
