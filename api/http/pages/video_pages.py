"""Pages of videos: the list, and one video with its player, time line and patches."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.pages.render import answer
from api.http.routes.paging import AfterPatch, AfterVideo
from api.http.routes.videos import VideoId, list_patches, list_videos
from api.http.service import ServiceDep
from graph import videos

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 60


@router.get("/browse/videos")
def show_videos(request: Request, shared: ServiceDep, after: AfterVideo = "") -> Response:
    """Show the videos."""
    found = list_videos(request, shared, after=after, limit=PAGE_ITEMS)
    return answer("videos.html", videos=found.items, next=found.next, after=after)


@router.get("/browse/videos/{video_id}")
def show_video(request: Request, shared: ServiceDep, video_id: VideoId, after: AfterPatch = "") -> Response:
    """Show a video's patches."""
    video = videos.get_video(shared.connection, video_id)
    found = list_patches(request, video_id, shared, after=after, limit=PAGE_ITEMS)
    return answer("video.html", video=video, patches=found.items, next=found.next, after=after)
