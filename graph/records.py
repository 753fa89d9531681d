"""Frozen dataclasses for the graph's nodes and edges; the rooms exchange these."""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, Protocol

Role = Literal["start", "end"]
Origin = Literal["mined", "imported"]  # imported: tracks of another tool
JobKind = Literal["ingest", "segment", "import", "link", "train", "embed", "index", "map"]
JobState = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})  # a job leaves these only if requested again
ONNX_RECIPE = "onnx"  # recipe of a model that is an imported ONNX file; it is used only if it is named


class Progress(Protocol):
    """Callback with which long work reports progress; raises `Cancelled` when the work was cancelled."""

    def __call__(self, stage: str, done: int, total: int, unit: str) -> None:
        """Report that `done` of `total` units of `stage` are done (total 0: unknown)."""


def no_progress(stage: str, done: int, total: int, unit: str) -> None:
    """Ignore the report."""


def patch_id(video_id: str, frame: int, x: int, y: int, w: int, h: int) -> str:
    """Return a patch's id: the BLAKE2b hash of video, frame and box as 16 hexadecimal digits."""
    return blake2b(f"{video_id}:{frame}:{x}:{y}:{w}:{h}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Video:
    """A video file; its id is the BLAKE2b hash of its bytes (32 hexadecimal digits).

    With imported tracks it is a video or a series of pictures, and its id is the hash of the media and of the tracks.
    """

    id: str
    name: str
    fps: float = 0.0
    width: int = 0  # in stored pixels (which need not be square) of the upright picture
    height: int = 0
    frames: int = 0
    duration_s: float = 0.0
    status: Literal["ready", "failed"] = "ready"
    reason: str = ""  # why mining failed, for people
    ingested_at: str = ""  # ISO 8601, UTC
    origin: Origin = "mined"
    tool: str = ""  # name of the tool that made imported tracks
    report: str = ""  # JSON: the counts of mining, and how many windows and tracks were rejected for which reason

    @property
    def notes(self) -> list[str]:
        """The report's sentences about parts of the video that were skipped or converted, and why."""
        return list(json.loads(self.report).get("notes", [])) if self.report else []

    @property
    def refused(self) -> dict[str, int]:
        """Number of rejected windows for each reason."""
        return dict(json.loads(self.report).get("refused_windows", {})) if self.report else {}


@dataclass(frozen=True, slots=True)
class Patch:
    """A crop of one frame that is square on screen; x, y, w, h are in stored pixels and lie inside the frame."""

    id: str
    video_id: str
    frame: int
    time_s: float
    x: int
    y: int
    w: int
    h: int
    role: Role  # the start (A) or the end (A') of its track
    no_object: bool = False  # its track was marked as showing no object, so it is neither linked nor trained on


@dataclass(frozen=True, slots=True)
class IntraInstance:
    """A track: the same object at its start (A) and `track_length` frames later (A'). Section 4.3."""

    start_id: str
    end_id: str
    track_length: int  # frames
    confidence: float  # 0..1
    trust: dict[str, float] = field(default_factory=dict)  # tracker's measurements: peaks, errors, agreement
    origin: Origin = "mined"


@dataclass(frozen=True, slots=True)
class InterInstance:
    """Two track starts that show different objects and look alike; a_id < b_id. Section 4.2."""

    a_id: str
    b_id: str
    distance: float  # 1 - cosine of the two features


@dataclass(frozen=True, slots=True)
class Quadruple:
    """A and B look alike; A' and B' are the same objects some frames later. Section 5."""

    a: str
    a_prime: str
    b: str
    b_prime: str
    a_parent: int  # parent cluster of A and so of A'
    b_parent: int


@dataclass(frozen=True, slots=True)
class Job:
    """A long-running task and its progress."""

    id: str
    kind: JobKind
    state: JobState = "queued"
    target: str = ""  # name of its input: a file, a recipe or a model id
    stage: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    reason: str = ""  # why it failed, for people
    result: str = ""  # id of its result: a video, a generation or a model
    created_at: str = ""
    updated_at: str = ""
    finished_at: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A trained network: a folder under models/<id> and a node that lists it."""

    id: str
    recipe: str
    preset: str
    step: int
    pool5_dim: int
    embedding_dim: int  # 0 if the recipe has no embedding (context)
    generation: str = ""  # linking run that it was trained on
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class GraphCounts:
    """Counts of the graph's nodes and edges; clusters, links and quadruples are those of the current generation."""

    videos: int = 0
    frames: int = 0
    patches: int = 0
    tracks: int = 0
    intra_instance: int = 0
    inter_instance: int = 0
    parent_clusters: int = 0
    child_clusters: int = 0
    quadruples: int = 0
    rejected: int = 0  # rejected inter-instance edges, which count neither as edges nor in quadruples
    no_object: int = 0  # patches of tracks marked as showing no object
