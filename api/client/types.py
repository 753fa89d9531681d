"""The API's answers as frozen dataclasses. A field that a newer server adds is ignored."""

from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Answer = TypeVar("Answer")

ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Video:
    """A video file; its id is the BLAKE2b hash (16 bytes) of its bytes."""

    id: str
    name: str
    fps: float
    width: int
    height: int
    frames: int
    duration_s: float
    status: Literal["ready", "failed"]
    reason: str  # why mining failed
    ingested_at: str  # ISO 8601, UTC
    patches: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Patch:
    """A crop of one frame; x, y, w, h are pixels of the video."""

    id: str
    video_id: str
    frame: int
    time_s: float
    x: int
    y: int
    w: int
    h: int
    role: Literal["start", "end"]
    image: str  # address of its JPEG
    no_object: bool = False


@dataclass(frozen=True)
class Job:
    """A piece of long work and its progress."""

    id: str
    kind: str
    state: str  # queued, running, cancelling, done, failed or cancelled
    target: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0  # 0: not known yet
    unit: str = ""
    reason: str = ""  # why it failed
    result: str = ""  # id of the video, generation or model that it made
    created_at: str = ""
    updated_at: str = ""
    finished_at: str = ""

    @property
    def ended(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self.state in ENDED


@dataclass(frozen=True)
class Edge:
    """The reason why two patches are treated as alike: one track (intra) or one child cluster (inter)."""

    source: str
    target: str
    kind: Literal["intra", "inter"]
    why: str
    track_length: int | None = None
    confidence: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class Neighbour:
    """A patch and its distance in edges."""

    patch: Patch
    depth: int


@dataclass(frozen=True)
class Neighbours:
    """The patches within some edges of one patch, and the edges."""

    patch: Patch
    neighbours: list[Neighbour]
    edges: list[Edge]
    complete: bool


@dataclass(frozen=True)
class PathPatch:
    """A patch on a path and its parent cluster."""

    patch: Patch
    parent: int | None


@dataclass(frozen=True)
class Path:
    """A shortest chain of edges between two patches."""

    patches: list[PathPatch]
    edges: list[Edge]


@dataclass(frozen=True)
class Link:
    """A pair of patches that is linked or was judged."""

    a_id: str
    b_id: str
    state: Literal["rejected", "accepted", "open"]
    by: str = ""
    at: str = ""
    distance: float | None = None


@dataclass(frozen=True)
class Model:
    """A trained network."""

    id: str
    recipe: str
    preset: str
    step: int
    pool5_dim: int
    embedding_dim: int  # 0: no embedding
    generation: str
    created_at: str
    current: bool = False


@dataclass(frozen=True)
class Stats:
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
    rejected: int = 0
    no_object: int = 0
    model: str = ""
    without_embedding: int = 0


@dataclass(frozen=True)
class Quadruple:
    """A and B look alike; A' and B' are the same objects some frames later."""

    a: str
    a_prime: str
    b: str
    b_prime: str
    a_parent: int
    b_parent: int
    distance: float


@dataclass(frozen=True)
class Cluster:
    """A parent cluster: track starts that look roughly alike."""

    id: int
    generation: str
    size: int
    children: int
    examples: list[str]


@dataclass(frozen=True)
class ClusterDetail(Cluster):
    """A parent cluster with its first child clusters."""

    groups: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Vector:
    """One patch's embedding, of length 1."""

    id: str
    model: str
    vector: list[float]


@dataclass(frozen=True)
class SimilarPatch:
    """A patch and the cosine between its embedding and the query."""

    patch_id: str
    video_id: str
    similarity: float
    image: str


@dataclass(frozen=True)
class Similar:
    """The most alike patches, best first."""

    model: str
    items: list[SimilarPatch]


@dataclass(frozen=True)
class Check:
    """Whether one part of the server is available."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Ready:
    """Whether all parts of the server are available."""

    ready: bool
    checks: dict[str, Check]


def read(kind: type[Answer], value: Any) -> Answer:
    """Make an answer of JSON values; raises `KeyError` or `TypeError` if a field is missing."""
    hints = get_type_hints(kind)
    known = {one.name: _value(hints[one.name], value[one.name]) for one in fields(kind) if one.name in value}  # type: ignore[arg-type]
    return kind(**known)


def _value(hint: Any, value: Any) -> Any:
    if is_dataclass(hint):
        return read(hint, value)  # type: ignore[arg-type]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is list:
        return [_value(inner[0], one) for one in value]
    if origin is dict:
        return {name: _value(inner[1], one) for name, one in value.items()}
    if origin is UnionType and value is not None:
        return _value(inner[0], value)
    return value
