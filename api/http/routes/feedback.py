"""Routes of people's feedback: links rejected or accepted, and patches marked as no object."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.http.problems import problem_responses
from api.http.routes.json_types import Boolean
from api.http.routes.paging import Limit, cut
from api.http.routes.patches import PatchId, patch_response
from api.http.service import ServiceDep
from api.responses.links import LinkResponse
from api.responses.patches import MarkedResponse, PatchResponse
from api.responses.response import PATCH_ID, Page
from graph import feedback, videos

router = APIRouter(tags=["feedback"])

MOST_MARKED = 10_000

By = Annotated[
    str, Field("", max_length=200, description="Who says so. Empty: the name of the request's key.", examples=["ada"])
]
AfterLink = Annotated[
    str, Query(pattern="^([0-9a-f]{16}-[0-9a-f]{16})?$", description="Key of the last link of the page before.")
]
JudgedState = Annotated[
    Literal["rejected", "accepted"] | None, Query(description="Only links with this judgement; both if absent.")
]


class LinkJudgement(BaseModel):
    """A person's judgement of a link."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "rejected", "by": "ada"}]})

    state: Literal["rejected", "accepted", "open"] = Field(description="open: withdraws an earlier judgement.")
    by: By


class PatchMark(BaseModel):
    """A person's judgement of a patch."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"no_object": True, "by": "ada"}]})

    no_object: Boolean = Field(description="false removes an earlier mark.")
    by: By


class PatchMarks(PatchMark):
    """A person's judgement of several patches."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ids": ["0123456789abcdef"], "no_object": True}]}
    )

    ids: list[Annotated[str, StringConstraints(pattern=PATCH_ID)]] = Field(min_length=1, max_length=MOST_MARKED)


@router.get("/links", responses=problem_responses(), summary="List the links that people judged")
def list_links(
    request: Request, shared: ServiceDep, state: JudgedState = None, after: AfterLink = "", limit: Limit = 100
) -> Page[LinkResponse]:
    """List rejected and accepted links in the order of their ids. Page by key: follow `next` until it is null."""
    a, b = after.split("-") if after else ("", "")
    found = feedback.list_judged_links(shared.connection, state, (a, b), limit + 1)
    items, following = cut(request, found, limit, lambda link: f"{link.a_id}-{link.b_id}")
    return Page(items=[LinkResponse.model_validate(link) for link in items], next=following)


@router.get("/links/{a}/{b}", responses=problem_responses(404), summary="How a link was judged")
def get_link(a: PatchId, b: PatchId, shared: ServiceDep) -> LinkResponse:
    """Read who rejected or accepted the link of two patches, and when. The ids may come in either order."""
    return LinkResponse.model_validate(feedback.get_link(shared.connection, a, b))


@router.patch("/links/{a}/{b}", responses=problem_responses(403, 404), summary="Reject, accept or reopen a link")
def judge_link(request: Request, a: PatchId, b: PatchId, shared: ServiceDep, said: LinkJudgement) -> LinkResponse:
    """Store a judgement of a link. A rejected link is removed from the quadruples at once, and is not linked again.

    The judgement belongs to the two patches and holds in every generation. The ids may be in either order.
    """
    judged = feedback.judge_link(shared.connection, a, b, said.state, _name(request, said.by))
    return LinkResponse.model_validate(judged)


@router.patch("/patches/{patch_id}", responses=problem_responses(403, 404), summary="Mark a patch as no object")
def mark_patch(request: Request, patch_id: PatchId, shared: ServiceDep, said: PatchMark) -> PatchResponse:
    """Mark a patch's track (its start and all its ends) as no object.

    Links and trainings no longer use it, and no answer about likeness has it: neighbours, paths, similar patches. Lists
    of patches keep it, with its mark.
    """
    feedback.mark_no_object(shared.connection, [patch_id], said.no_object, _name(request, said.by))
    shared.marked.refresh()
    return patch_response(videos.get_patch(shared.connection, patch_id))


@router.patch("/patches", responses=problem_responses(403, 404), summary="Mark several patches as no object")
def mark_patches(request: Request, shared: ServiceDep, said: PatchMarks) -> MarkedResponse:
    """Mark the tracks of up to 10,000 patches; 404 names an unknown patch, and then none is marked."""
    ids = feedback.mark_no_object(shared.connection, said.ids, said.no_object, _name(request, said.by))
    shared.marked.refresh()
    return MarkedResponse(no_object=said.no_object, ids=ids)


def _name(request: Request, by: str) -> str:
    """Return who judges: the name in the request, else the name of its key, else ""."""
    return by or str(getattr(request.state, "key_name", ""))
