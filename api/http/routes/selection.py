"""The filter of a search for similar patches, as query parameters."""

from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Query

from api.http.routes.paging import MOST_INTEGER
from api.http.service import ServiceDep
from api.responses.response import VIDEO_ID
from graph.errors import InvalidInput
from graph.queries.members import patches_between, patches_of_parent
from graph.vectors.selection import Selection

Seconds = Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)]


async def selection(
    shared: ServiceDep,
    video: Annotated[str | None, Query(pattern=VIDEO_ID, description="Only patches of this video.")] = None,
    not_video: Annotated[str | None, Query(pattern=VIDEO_ID, description="No patches of this video.")] = None,
    parent: Annotated[
        int | None,
        Query(ge=0, le=MOST_INTEGER, description="Only members of this parent cluster of the current generation."),
    ] = None,
    from_s: Annotated[Seconds, Query(description="Only patches from this second of the video on.")] = None,
    to_s: Annotated[Seconds, Query(description="Only patches up to this second of the video.")] = None,
) -> Selection:
    """Read the filter; the graph is queried, in a thread, only for `parent` and for times."""
    patches: frozenset[str] | None = None
    if from_s is not None or to_s is not None:
        if video is None:
            raise InvalidInput("from_s and to_s are seconds of a video. Name it: video=ID.")
        end = float("inf") if to_s is None else to_s
        patches = frozenset(await to_thread.run_sync(patches_between, shared.connection, video, from_s or 0.0, end))
    if parent is not None:
        members = frozenset(await to_thread.run_sync(patches_of_parent, shared.connection, parent))
        patches = members if patches is None else patches & members
    return Selection(video=video or "", without_videos=frozenset([not_video] if not_video else []), patches=patches)


SelectionDep = Annotated[Selection, Depends(selection)]
