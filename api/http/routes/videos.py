"""HTTP routes that add, list and delete videos."""

import json
from dataclasses import replace
from hashlib import blake2b, file_digest
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError, model_validator

from api.http import uploads
from api.http.fetch import fetch
from api.http.problems import JOB_STARTED, Forbidden, TooLarge, problem_responses
from api.http.routes.paging import AfterPatch, AfterVideo, IdempotencyKey, Limit, cut
from api.http.routes.patches import patch_response
from api.http.routes.started import started
from api.http.service import Service, ServiceDep
from api.responses.jobs import JobResponse
from api.responses.patches import PatchResponse
from api.responses.response import VIDEO_ID, Page
from api.responses.videos import VideoResponse
from graph import videos
from graph.errors import InvalidInput
from graph.queries import listing
from graph.queries.listing import ListedVideo, VideoFilter, VideoSort
from graph.records import Job, Video
from workers.requests import IngestRequest, job_id

router = APIRouter(tags=["videos"])

VideoId = Annotated[str, Path(pattern=VIDEO_ID, description="BLAKE2b hash of the file's bytes.")]
JSON_BYTES = 64 * 1024


class VideoSource(BaseModel):
    """The place of the video; exactly one of the two fields is set."""

    path: str | None = Field(None, description="A file on the server, below a folder of TRANSITIVE_ALLOWED_PATHS.")
    url: str | None = Field(None, description="http(s) on the public internet, where TRANSITIVE_ALLOW_URLS is set.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "VideoSource":
        if (self.path is None) == (self.url is None):
            raise ValueError("name either a path or a url")
        return self


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
                }
            },
            "application/json": {
                "schema": VideoSource.model_json_schema(),
                "example": {"path": "/srv/videos/bikes.mp4"},
            },
        },
    }
}


@router.post(
    "/videos",
    status_code=202,
    responses=problem_responses(403, 413, 415, 507, also=JOB_STARTED),
    openapi_extra=_BODY,
    summary="Add a video",
)
async def add_video(request: Request, response: Response, shared: ServiceDep, key: IdempotencyKey) -> JobResponse:
    """Add a video and start mining it; the job reports the result. Files with equal bytes are one video.

    Send the file as the part `file` of a form, or JSON that names a `path` on the server or a `url`. A video's id is
    the BLAKE2b hash of its bytes, so GET /videos/{id} tells whether an upload is needed.
    """
    await to_thread.run_sync(shared.check_backends)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json":
        source = await _json(request)
        sent = source.model_dump_json()
        known = await to_thread.run_sync(shared.started_job, key, sent)
        if known:
            job = known
        elif source.path is not None:
            job = await to_thread.run_sync(_ingest_path, shared, source.path)
        else:
            job = await _ingest_url(shared, source.url or "")
        await to_thread.run_sync(shared.remember, key, sent, job)
    else:
        length = request.headers.get("content-length", "")
        if length.isdigit():
            shared.inbox.check_size(int(length) - JSON_BYTES)  # the form around the file is smaller than that
        job = await _ingest_upload(shared, request, int(length) if length.isdigit() else 0, key)
    return started(response, job)


async def _json(request: Request) -> VideoSource:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_BYTES:
            raise TooLarge(f"JSON bodies end at {JSON_BYTES} bytes here. Send the video as a form.")
    try:
        return VideoSource.model_validate(json.loads(body))
    except (ValueError, RecursionError) as error:
        texts = [e["msg"] for e in error.errors()] if isinstance(error, ValidationError) else [str(error)]
        raise InvalidInput(f'The body must be JSON like {{"path": "…"}} ({"; ".join(texts)}).') from None


async def _ingest_upload(shared: Service, request: Request, length: int, key: str) -> Job:
    with shared.inbox.incoming(length) as incoming:
        name = await uploads.receive(request.stream(), request.headers.get("content-type", ""), incoming)
        return await to_thread.run_sync(_submit, shared, incoming, name, key)


async def _ingest_url(shared: Service, url: str) -> Job:
    if not shared.context.settings.allow_urls:
        raise Forbidden("This server does not fetch URLs (TRANSITIVE_ALLOW_URLS is not set). Upload the file instead.")
    with shared.inbox.incoming() as incoming:
        async with fetch(url) as (name, body):
            async for chunk in body:
                await to_thread.run_sync(incoming.write, chunk)
        if not incoming.size:
            raise InvalidInput(f"{url} is empty (0 bytes).")
        return await to_thread.run_sync(_submit, shared, incoming, uploads.plain_name(name))


def _submit(shared: Service, incoming: uploads.Incoming, name: str, key: str = "") -> Job:
    """Store the file and submit its ingest job; this thread completes both even if the client disconnects.

    The job's id is a hash of the file's bytes, so an idempotency key is compared with the content.
    """
    request = IngestRequest("", incoming.video_id, name)
    known = shared.started_job(key, job_id(request))
    if known:
        return known
    with incoming.kept(name) as path:
        return shared.submit(replace(request, path=str(path)), key)


def _ingest_path(shared: Service, text: str) -> Job:
    path = allowed_path(text, shared.context.settings.allowed_paths)
    with path.open("rb") as file:
        video = file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
    return shared.submit(IngestRequest(str(path), video, path.name))


def allowed_path(text: str, allowed: str) -> FilePath:
    """Return the resolved path of a file below one of the `allowed` folders, which are separated by ':'.

    Raises `Forbidden`. A path elsewhere and a path that does not exist get the same message, so that callers cannot
    find out which files exist.
    """
    folders = [FilePath(folder).resolve() for folder in allowed.split(":") if folder]
    if not folders:
        raise Forbidden("This server reads no files by path (TRANSITIVE_ALLOWED_PATHS is empty). Upload the file.")
    if "\0" not in text:
        try:
            path = FilePath(text).resolve(strict=True)
            if path.is_file() and any(path.is_relative_to(folder) for folder in folders):
                return path
        except (OSError, RuntimeError):  # not there, a loop of links, a name too long: the same answer as elsewhere
            pass
    raise Forbidden(f"{text!r} is not a file below a folder of TRANSITIVE_ALLOWED_PATHS.")


@router.get("/videos", responses=problem_responses(), summary="List videos")
def list_videos(
    request: Request,
    shared: ServiceDep,
    after: AfterVideo = "",
    limit: Limit = 100,
    status: Annotated[Literal["ready", "failed"] | None, Query(description="Only videos of this status.")] = None,
    name: Annotated[str | None, Query(max_length=200, description="A part of the file's name.")] = None,
    sort: Annotated[VideoSort, Query(description="id and name ascend; date, patches and duration descend.")] = "id",
) -> Page[VideoResponse]:
    """List videos that fit all conditions. Page by key: follow `next` until it is null."""
    found, following = page_of_videos(request, shared, VideoFilter(status, name), sort, after, limit)
    return Page(items=[video_response(one.video, one.patches) for one in found], next=following)


def page_of_videos(
    request: Request, shared: Service, conditions: VideoFilter, sort: VideoSort, after: str, limit: int
) -> tuple[list[ListedVideo], str | None]:
    """Return one page of videos and the address of the next; raises `InvalidInput` for a key of another order."""
    identifier, _, text = after.partition(":")
    key = (_number(text) if sort in ("patches", "duration") and after else text, identifier)
    asked = listing.list_videos(shared.connection, conditions, sort, key, limit + 1)
    return cut(request, asked, limit, lambda one: f"{one.video.id}:{one.key}" if one.key else one.video.id)


def video_response(video: Video, patches: int) -> VideoResponse:
    """Convert a record to its response model."""
    return VideoResponse.model_validate(video).model_copy(update={"patches": patches})


def _number(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        raise InvalidInput("`after` is not a key of this order. Follow `next`.") from None


@router.get("/videos/{video_id}", responses=problem_responses(404), summary="One video")
def get_video(video_id: VideoId, shared: ServiceDep) -> VideoResponse:
    """Read a video's name, size, length and status.

    The id is the BLAKE2b hash of the file's bytes: 404 means that the file was never ingested.
    """
    video = videos.get_video(shared.connection, video_id)
    return video_response(video, videos.count_patches(shared.connection, [video_id]))


@router.get("/videos/{video_id}/patches", responses=problem_responses(404), summary="The patches of a video")
def list_patches(
    request: Request, video_id: VideoId, shared: ServiceDep, after: AfterPatch = "", limit: Limit = 100
) -> Page[PatchResponse]:
    """Page by key: follow `next` until it is null."""
    found = videos.list_patches(shared.connection, video_id, after, limit + 1)
    if not found:
        videos.get_video(shared.connection, video_id)
    items, following = cut(request, found, limit, lambda patch: patch.id)
    return Page(items=[patch_response(patch) for patch in items], next=following)


@router.delete("/videos/{video_id}", status_code=204, responses=problem_responses(403, 404), summary="Delete a video")
def delete_video(video_id: VideoId, shared: ServiceDep) -> None:
    """Remove a video, its patches, every edge of them, and their pixels and vectors."""
    with shared.inbox.held(video_id):  # an upload of the same bytes becomes a job when nothing is left to delete
        videos.delete_video(shared.connection, video_id)
        shared.context.shards.delete_video(video_id)
        shared.inbox.delete(video_id)
