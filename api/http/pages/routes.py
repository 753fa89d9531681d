"""All routes of the pages."""

from fastapi import APIRouter

from api.http.pages import (
    add_videos,
    documentation,
    job_pages,
    links,
    overview,
    patch_pages,
    static_files,
    video_pages,
)

router = APIRouter(include_in_schema=False)
for part in (overview, add_videos, video_pages, patch_pages, links, job_pages, documentation, static_files):
    router.include_router(part.router)
