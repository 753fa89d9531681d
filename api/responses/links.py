"""Answers about edges between patches: neighbours, paths, judged links, quadruples."""

from typing import Literal

from pydantic import BaseModel, Field

from api.responses.patches import PatchResponse
from api.responses.response import PATCH_ID, Response


class EdgeResponse(Response):
    """The reason to treat two patches as alike: one track (INTRA_INSTANCE) or one child cluster (INTER_INSTANCE)."""

    source: str = Field(description="Patch id; the start of the track (A) for INTRA_INSTANCE.")
    target: str
    kind: Literal["intra", "inter"]
    why: str = Field(examples=["the same object 30 frames later, tracked with confidence 0.91"])
    track_length: int | None = Field(None, description="Frames between the two (intra).")
    confidence: float | None = Field(None, description="Confidence of the track, 0..1 (intra).")
    distance: float | None = Field(None, description="1 − cosine of the features (inter).")


class NeighbourResponse(BaseModel):
    """A patch and its distance in edges."""

    patch: PatchResponse
    depth: int


class NeighboursResponse(BaseModel):
    """The patches within `depth` edges of one patch, and the edges that led to them."""

    patch: PatchResponse
    neighbours: list[NeighbourResponse]
    edges: list[EdgeResponse]
    complete: bool = Field(description="False: there are more, the nearest are here.")


class PathPatchResponse(BaseModel):
    """A patch on a path and its parent cluster in the current generation."""

    patch: PatchResponse
    parent: int | None


class PathResponse(BaseModel):
    """A shortest chain of edges between two patches: n patches and the n - 1 edges between them."""

    patches: list[PathPatchResponse]
    edges: list[EdgeResponse]


class LinkResponse(Response):
    """A pair of linked patches and a person's judgement of it."""

    a_id: str = Field(pattern=PATCH_ID, description="The smaller id of the two.")
    b_id: str = Field(pattern=PATCH_ID)
    state: Literal["rejected", "accepted", "open"] = Field(description="open: not judged.")
    by: str = Field(description="Who judged it.")
    at: str = Field(description="Time of the judgement, ISO 8601, UTC; empty if not judged.")
    distance: float | None = Field(description="1 − cosine of the features; null: the current generation has no edge.")


class QuadrupleResponse(Response):
    """A and B look alike; A' and B' are the same objects some frames later (section 5)."""

    a: str
    a_prime: str
    b: str
    b_prime: str
    a_parent: int = Field(description="Parent cluster of A.")
    b_parent: int
    distance: float = Field(description="1 − cosine of the features of A and B.")
