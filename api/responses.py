"""Pydantic models of the API's answers, separate from the records, so that records can change and answers stay."""

import json
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from graph.records import JobKind, JobState, Origin, Role

Item = TypeVar("Item")

VIDEO_ID = r"^[0-9a-f]{32}$"
PATCH_ID = r"^[0-9a-f]{16}$"


class Response(BaseModel):
    """Read from a record's attributes of the same names."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[Item]):
    """A slice of a list that is ordered by key."""

    items: list[Item]
    next: str | None = Field(None, description="Address of the following slice; null at the end.")


class VideoResponse(Response):
    """A video file; its id is the BLAKE2b hash of its bytes."""

    id: str = Field(pattern=VIDEO_ID, examples=["3d1f0c6a2b9e48d7a5c4e3f2b1a09876"])
    name: str = Field(examples=["bikes.mp4"])
    fps: float
    width: int = Field(description="Pixels of the upright picture, as stored: they need not be square.")
    height: int
    frames: int
    duration_s: float
    status: Literal["ready", "failed"]
    reason: str = Field(description="Why mining failed; empty when it did not.")
    ingested_at: str = Field(description="ISO 8601, UTC.")
    origin: Origin = Field("mined", description="Whether its tracks were mined here or imported.")
    tool: str = Field("", description="What made the imported tracks.", examples=["ByteTrack"])
    report: dict[str, Any] = Field(
        description="What mining counted: windows, tracks, cuts, damaged frames, and what was refused, by reason; {} "
        "where it failed.",
        examples=[{"windows": 20, "tracks": 5, "cuts": 5, "refused_windows": {"nothing moves on its own": 8}}],
    )

    patches: int = Field(0, description="How many patches it has.")
    notes: list[str] = Field(
        default_factory=list,
        description="What was left out of the video or converted, and why, in sentences.",
        examples=[["12 frames of 900 left out: damaged, or referring to damaged ones."]],
    )

    @field_validator("report", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        """Read the JSON that the node holds."""
        return json.loads(value or "{}") if isinstance(value, str) else value


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


class EdgeResponse(Response):
    """Why two patches are held to be alike: one track (INTRA_INSTANCE) or one child cluster (INTER_INSTANCE)."""

    source: str = Field(description="Patch id; the start of the track (A) for INTRA_INSTANCE.")
    target: str
    kind: Literal["intra", "inter"]
    why: str = Field(examples=["the same object 30 frames later, tracked with confidence 0.91"])
    track_length: int | None = Field(None, description="Frames between the two (intra).")
    confidence: float | None = Field(None, description="How sure the tracker is, 0..1 (intra).")
    distance: float | None = Field(None, description="1 − cosine of the features (inter).")


class NeighbourResponse(BaseModel):
    """A patch and how many edges lead to it."""

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


class JobResponse(Response):
    """A piece of long work and how far it is."""

    id: str
    kind: JobKind
    state: JobState
    target: str = Field(description="What it works on: a file's name, a recipe, a model.")
    stage: str
    done: int
    total: int = Field(description="0: not known yet.")
    unit: str
    reason: str = Field(description="Why it failed; empty when it did not.")
    result: str = Field(description="Id of what it made: a video, a generation, a model.")
    created_at: str
    updated_at: str
    finished_at: str


class UploadResponse(BaseModel):
    """A resumable upload and how much of it has arrived."""

    id: str
    name: str
    length: int = Field(description="Bytes of the whole file.")
    offset: int = Field(description="Bytes received.")
    job: str = Field(description="The ingest job of the complete file; empty before.")


class IndexResponse(BaseModel):
    """The vector index that searches for similar patches go through."""

    model: str
    vectors: int = Field(0, description="0: there is no index, and searches compare every vector.")
    recall: float | None = Field(None, description="Share of the ten nearest patches that searches found when built.")
    built_at: str = Field("", description="ISO 8601, UTC.")
    videos_outside: int = Field(description="Videos whose vectors the index does not hold yet; all are compared.")


class ModelResponse(Response):
    """A trained network."""

    id: str
    recipe: str
    preset: str
    step: int
    pool5_dim: int
    embedding_dim: int = Field(description="0 where the recipe has no embedding (context).")
    generation: str
    created_at: str
    current: bool = Field(False, description="Whether new videos are embedded by it and answers use it.")


class GenerationResponse(Response):
    """A linking run: what it was made from, and what it found."""

    id: str
    current: bool
    feature_model: str
    created_at: str
    patches: int = Field(description="Starts of tracks that were clustered.")
    parents: int
    children: int
    edges: int
    quadruples: int
    track_length: int = Field(description="Frames from A to A', the fewest of its tracks.")
    held_out: list[str] = Field(description="Videos kept out of training.")
    joined: str = Field(description="The generation whose parents were kept; empty when linked from the ground up.")
    parameters: dict[str, Any]
    quality: dict[str, Any] = Field(description="The quality report.")


class StatsResponse(Response):
    """How much of everything the graph holds (of the current generation where that applies)."""

    videos: int
    frames: int
    patches: int
    tracks: int
    intra_instance: int
    inter_instance: int
    parent_clusters: int
    child_clusters: int
    quadruples: int
    rejected: int = Field(description="Inter-instance edges that people rejected: neither edges nor quadruples here.")
    no_object: int = Field(description="Patches of tracks that people marked as no object.")
    model: str = Field(description="The current model; empty where none was chosen.")
    without_embedding: int = Field(description="Patches without an embedding of the current model.")


class LinkResponse(Response):
    """A pair of patches that look alike to the machine, and what people said of it."""

    a_id: str = Field(pattern=PATCH_ID, description="The smaller id of the two.")
    b_id: str = Field(pattern=PATCH_ID)
    state: Literal["rejected", "accepted", "open"] = Field(description="open: nobody judged it.")
    by: str = Field(description="Who judged it.")
    at: str = Field(description="When: ISO 8601, UTC; empty where nobody did.")
    distance: float | None = Field(description="1 − cosine of the features; null: the current generation has no edge.")


class MarkedResponse(BaseModel):
    """The patches that a mark reached: the whole track of each patch that was named."""

    no_object: bool
    ids: list[str]


class QuadrupleResponse(Response):
    """A and B look alike; A' and B' are the same objects some frames later (section 5)."""

    a: str
    a_prime: str
    b: str
    b_prime: str
    a_parent: int = Field(description="Parent cluster of A.")
    b_parent: int
    distance: float = Field(description="Of A and B: 1 − cosine of their features.")


class ClusterResponse(Response):
    """A parent cluster: starts of tracks that look roughly alike (stage 1 of section 4.2)."""

    id: int = Field(description="Its number within its generation.")
    generation: str
    size: int = Field(description="TrackStarts of tracks in it.")
    children: int = Field(description="Child clusters (stage 2) drawn from it.")
    examples: list[str] = Field(description="A few of its patches.")


class ClusterDetailResponse(ClusterResponse):
    """A parent cluster with its members (by key) and its child clusters."""

    patches: Page[PatchResponse]
    groups: list[list[str]] = Field(description="The first child clusters: patches that are mutually nearest.")


class VectorResponse(BaseModel):
    """One patch's or image's embedding, of length 1."""

    id: str
    model: str
    vector: list[float]


class VectorsResponse(BaseModel):
    """Embeddings of length 1, one row per id or image, in the order asked for."""

    model: str
    ids: list[str]
    vectors: list[list[float]]


class SimilarItem(BaseModel):
    """A patch and how alike it is."""

    patch_id: str
    video_id: str
    similarity: float = Field(description="Cosine of the two embeddings, -1..1.")
    image: str


class SimilarResponse(BaseModel):
    """The most alike patches, best first; the asked patch itself is left out."""

    model: str
    items: list[SimilarItem]


class CheckResponse(BaseModel):
    """Whether one part of the system is there."""

    ok: bool
    detail: str


class ReadyResponse(BaseModel):
    """Whether everything needed to work is there."""

    ready: bool
    checks: dict[str, CheckResponse]
