"""Routes of a video's pictures: its file, its kept frames, and its time line of windows and tracks."""

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from api.http.problems import Described, problem_responses
from api.http.routes.videos import VideoId
from api.http.service import ServiceDep
from graph import videos
from graph.errors import NotFound

router = APIRouter(tags=["videos"])

# media types of the containers that browsers may play
_KINDS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".mkv": "video/webm"}
_KEEP = {"Cache-Control": "private, max-age=3600"}
Number = Annotated[int, Path(ge=0, le=10_000, description="Which of the kept frames.")]
_JPEG: Described = {200: {"content": {"image/jpeg": {}}}}


class FrameResponse(BaseModel):
    """A whole frame that is kept."""

    frame: int
    time_s: float
    image: str


class PathResponse(BaseModel):
    """The path of a kept track's object from A to A'."""

    start_id: str = Field(description="Patch id of A.")
    times_s: list[float]
    boxes: list[tuple[int, int, int, int]] = Field(description="x, y, w, h in the video's own pixels, at each time.")


class WindowResponse(BaseModel):
    """A piece of the video that was searched for tracks."""

    start_s: float
    end_s: float
    reason: str = Field(description="Why nothing was tracked; empty where boxes were tracked.")
    refused: list[str] = Field(description="The reason of each box whose track was refused.")
    paths: list[PathResponse]


class TimelineResponse(BaseModel):
    """All windows of a video, in the order of their time."""

    width: int
    height: int
    duration_s: float
    windows: list[WindowResponse]


@router.get(
    "/videos/{video_id}/timeline", responses=problem_responses(404), summary="Windows, refusals and tracks over time"
)
def get_timeline(video_id: VideoId, shared: ServiceDep) -> TimelineResponse:
    """Read all windows of a video with the reasons of refused ones; 404 for videos ingested by earlier versions."""
    video = videos.get_video(shared.connection, video_id)
    rows = shared.context.shards.read(f"timelines/{video_id}").to_pylist()
    windows = sorted((WindowResponse.model_validate(row) for row in rows), key=lambda window: window.start_s)
    return TimelineResponse(width=video.width, height=video.height, duration_s=video.duration_s, windows=windows)


@router.get("/videos/{video_id}/frames", responses=problem_responses(404), summary="The kept frames of a video")
def list_frames(video_id: VideoId, shared: ServiceDep) -> list[FrameResponse]:
    """List the whole frames that mining kept, at most sixteen spread over the video."""
    video = videos.get_video(shared.connection, video_id)
    numbers = shared.context.shards.read(f"frames/{video_id}", ["frame"])["frame"].to_pylist()
    return [
        FrameResponse(
            frame=frame, time_s=round(frame / (video.fps or 25), 3), image=f"/videos/{video_id}/frames/{place}"
        )
        for place, frame in enumerate(numbers)
    ]


@router.get(
    "/videos/{video_id}/frames/{number}",
    responses=problem_responses(404, also=_JPEG),
    response_class=Response,
    summary="One kept frame",
)
def get_frame(video_id: VideoId, number: Number, shared: ServiceDep) -> Response:
    """Answer with a kept frame's JPEG; the first is number 0."""
    column = shared.context.shards.read(f"frames/{video_id}", ["jpeg"])["jpeg"]
    if number >= len(column):
        raise NotFound(f"Video {video_id} has {len(column)} kept frames.")
    return Response(column[number].as_py(), media_type="image/jpeg", headers=_KEEP)


@router.get(
    "/videos/{video_id}/file",
    responses=problem_responses(404, also={200: {"content": {"video/*": {}}}, 206: {"description": "A range of it"}}),
    response_class=FileResponse,
    summary="The video's file",
)
def get_file(video_id: VideoId, shared: ServiceDep) -> FileResponse:
    """Answer with the ingested file, or a range of it; 404 if it is missing or has changed since."""
    path = shared.sources.find(video_id)
    kind = _KINDS.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if not kind.startswith("video/"):
        kind = "application/octet-stream"  # whatever the file's name is, browsers must not run it as a page or script
    return FileResponse(path, media_type=kind)
