"""Pages of videos: the list, and one video with its player, time line and patches."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.http.pages.optional_content import or_none
from api.http.pages.render import answer
from api.http.routes.paging import MOST_INTEGER, AfterPatch, AfterVideo
from api.http.routes.video_media import get_timeline, list_frames
from api.http.routes.videos import VideoId, list_patches, page_of_videos
from api.http.service import ServiceDep
from graph import videos
from graph.queries.listing import VideoFilter, VideoSort

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 60
MOST_PATCHES = 1000  # patches of a video on one page
MOST_WINDOWS = 200  # rows of the sheet
SORTS: dict[VideoSort, str] = {
    "date": "Newest first",
    "name": "Name",
    "patches": "Most patches",
    "duration": "Longest first",
}


@router.get("/browse/videos")
def show_videos(
    request: Request,
    shared: ServiceDep,
    text: Annotated[str, Query(max_length=200)] = "",
    status: Literal["", "ready", "failed"] = "",
    sort: VideoSort = "date",
    after: AfterVideo = "",
) -> Response:
    """Show the videos with a picture and their counts."""
    conditions = VideoFilter(status or None, text or None)
    items, following = page_of_videos(request, shared, conditions, sort, after, PAGE_ITEMS)
    return answer(
        "videos.html",
        videos=items,
        next=following,
        text=text,
        status=status,
        sort=sort,
        sorts=SORTS,
        filtered=bool(text or status or after),
    )


@router.get("/browse/videos/{video_id}")
def show_video(
    request: Request,
    shared: ServiceDep,
    video_id: VideoId,
    after: AfterPatch = "",
    window: Annotated[int, Query(ge=0, le=MOST_INTEGER)] = 0,
) -> Response:
    """Show a video's player, time line, patches, and `MOST_WINDOWS` rows of its sheet from row `window` on."""
    video = videos.get_video(shared.connection, video_id)
    found = list_patches(request, video_id, shared, after=after, limit=MOST_PATCHES)
    timeline = or_none(lambda: get_timeline(video_id, shared))
    windows = timeline.windows if timeline else []
    source = or_none(lambda: shared.sources.find(video_id)) if video.status == "ready" else None
    tracks = videos.list_tracks(shared.connection, video_id) if video.status == "ready" else []
    return answer(
        "video.html",
        video=video,
        patches=sorted(found.items, key=lambda patch: patch.time_s),
        confidence={track.start_id: track.confidence for track in tracks},
        next=found.next,
        after=after,
        windows=windows[window : window + MOST_WINDOWS],
        window=window,
        next_window=window + MOST_WINDOWS if window + MOST_WINDOWS < len(windows) else 0,
        all_windows=len(windows),
        ends={track.start_id: track.end_id for track in tracks},
        frames=or_none(lambda: list_frames(video_id, shared)) or [],
        playable=source is not None,
    )
