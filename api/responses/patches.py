"""Answers about patches and the marks that people gave them."""

from pydantic import BaseModel, Field

from api.responses.response import PATCH_ID, Response
from graph.records import Role


class PatchResponse(Response):
    """A crop of one frame, at the start (A) or the end (A') of its track, that is square on a screen.

    x, y, w, h are in the video's own pixels, which need not be square.
    """

    id: str = Field(pattern=PATCH_ID, examples=["0123456789abcdef"])
    video_id: str
    frame: int
    time_s: float
    x: int
    y: int
    w: int
    h: int
    role: Role
    no_object: bool = Field(description="True: people marked its track as no object; it is neither linked nor trained.")
    image: str = Field(description="Address of its 96×96 JPEG.")


class MarkedResponse(BaseModel):
    """The patches of the marked tracks."""

    no_object: bool
    ids: list[str]
