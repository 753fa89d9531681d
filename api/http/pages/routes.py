"""All routes of the pages."""

from fastapi import APIRouter

from api.http.pages import (
    add_videos,
    documentation,
    generation_pages,
    inspect_page,
    job_pages,
    links,
    map_page,
    model_pages,
    overview,
    patch_pages,
    search_page,
    static_files,
    video_pages,
)

router = APIRouter(include_in_schema=False)
for part in (
    overview,
    add_videos,
    video_pages,
    patch_pages,
    links,
    inspect_page,
    search_page,
    map_page,
    generation_pages,
    model_pages,
    job_pages,
    documentation,
    static_files,
):
    router.include_router(part.router)
