"""Answers about linking runs and what they found: counts and clusters."""

from typing import Any

from pydantic import Field

from api.responses.patches import PatchResponse
from api.responses.response import Page, Response


class GenerationResponse(Response):
    """A linking run: its inputs and its results."""

    id: str
    current: bool
    feature_model: str
    created_at: str
    patches: int = Field(description="Starts of tracks that were clustered.")
    parents: int
    children: int
    edges: int
    quadruples: int
    track_length: int = Field(description="Frames from A to A' of its shortest track.")
    held_out: list[str] = Field(description="Videos kept out of training.")
    joined: str = Field(description="The generation whose parents were kept; empty when all videos were linked again.")
    parameters: dict[str, Any]
    rejected: int = Field(description="Edges that people rejected, before this linking and since then.")
    rejected_share: float = Field(description="Their share of all edges that were found, 0..1.")
    quality: dict[str, Any] = Field(description="The quality report.")


class StatsResponse(Response):
    """Counts of the graph; clusters, links and quadruples are those of the current generation."""

    videos: int
    frames: int
    patches: int
    tracks: int
    intra_instance: int
    inter_instance: int
    parent_clusters: int
    child_clusters: int
    quadruples: int
    rejected: int = Field(
        description="Inter-instance edges that people rejected; they count neither as edges nor in quadruples."
    )
    no_object: int = Field(description="Patches of tracks that people marked as no object.")
    model: str = Field(description="The current model; empty if none was chosen.")
    without_embedding: int = Field(description="Patches without an embedding of the current model.")


class ClusterResponse(Response):
    """A parent cluster: starts of tracks that look roughly alike (stage 1 of section 4.2)."""

    id: int = Field(description="Its number within its generation.")
    generation: str
    size: int = Field(description="Starts of tracks in it.")
    children: int = Field(description="Number of its child clusters (stage 2).")
    examples: list[str] = Field(description="A few of its patches.")


class ClusterDetailResponse(ClusterResponse):
    """A parent cluster with its members (by key) and its child clusters."""

    patches: Page[PatchResponse]
    groups: list[list[str]] = Field(description="The first child clusters: patches that are mutually nearest.")
