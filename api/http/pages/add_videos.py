"""The page for uploading videos."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.service import ServiceDep

router = APIRouter(include_in_schema=False)


@router.get("/browse/add")
def add_videos(request: Request, shared: ServiceDep) -> Response:
    """Show the upload form."""
    return answer("add.html", limit=shared.context.settings.upload_bytes, base=str(request.base_url))
