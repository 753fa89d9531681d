"""Pages that show the OpenAPI document and explain the problem types."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.problems import CODES

router = APIRouter(include_in_schema=False)

_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/docs")
def documentation(request: Request) -> Response:
    """Show every route with its parameters, bodies and answers."""
    schema: dict[str, Any] = request.app.openapi()
    operations = [
        {**operation, "method": method.upper(), "path": path}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations:
        groups.setdefault(operation["tags"][0], []).append(operation)
    schemas = {
        name: json.dumps(described, indent=2, ensure_ascii=False)
        for name, described in sorted(schema["components"]["schemas"].items())
    }
    return answer("docs.html", info=schema["info"], groups=groups, schemas=schemas)


@router.get("/problems")
def problems() -> Response:
    """Explain the kinds of problems, which their `type` refers to."""
    kinds = [(kind, status, title, error.__doc__ or "") for error, status, kind, title in CODES]
    return answer("problems.html", kinds=kinds)
