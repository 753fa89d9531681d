"""Frozen dataclasses of the graph's nodes and edges, which the rooms exchange."""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, Protocol

Role = Literal["start", "end"]
JobKind = Literal["ingest", "segment", "link", "train", "embed"]
JobState = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})  # states that a job never leaves by itself


class Progress(Protocol):
    """How long work tells where it is; raises `Cancelled` when somebody asked it to stop."""

    def __call__(self, stage: str, done: int, total: int, unit: str) -> None:
        """Report `done` of `total` units of `stage` (total 0: not known yet)."""


def no_progress(stage: str, done: int, total: int, unit: str) -> None:
    """Report to nobody."""


def patch_id(video_id: str, frame: int, x: int, y: int, w: int, h: int) -> str:
    """Name a patch by video, frame and box: 16 hexadecimal digits, the same in every run."""
    return blake2b(f"{video_id}:{frame}:{x}:{y}:{w}:{h}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Video:
    """A video file, named by the BLAKE2b hash of its bytes (32 hexadecimal digits)."""

    id: str
    name: str
    fps: float = 0.0
    width: int = 0  # pixels of the upright picture, as stored: they need not be square
    height: int = 0
    frames: int = 0
    duration_s: float = 0.0
    status: Literal["ready", "failed"] = "ready"
    reason: str = ""  # why mining failed, for people
    ingested_at: str = ""  # ISO 8601, UTC
    report: str = ""  # JSON: what mining counted, how many windows and tracks it refused, and why

    @property
    def notes(self) -> list[str]:
        """Return the report's sentences: what was left out of the video or converted, and why."""
        return list(json.loads(self.report).get("notes", [])) if self.report else []


@dataclass(frozen=True, slots=True)
class Patch:
    """A crop of one frame that is square on a screen; x, y, w, h in the video's own pixels, inside the frame."""

    id: str
    video_id: str
    frame: int
    time_s: float
    x: int
    y: int
    w: int
    h: int
    role: Role  # the start (A) or the end (A') of its track


@dataclass(frozen=True, slots=True)
class IntraInstance:
    """A track: the same object at its start (A) and `track_length` frames later (A'). Section 4.3."""

    start_id: str
    end_id: str
    track_length: int  # frames
    confidence: float  # 0..1
    trust: dict[str, float] = field(default_factory=dict)  # peak responses, errors, agreement: see workers/mining


@dataclass(frozen=True, slots=True)
class InterInstance:
    """Two starts of tracks of different objects that look alike; a_id < b_id. Section 4.2."""

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
    a_parent: int  # parent cluster of A, inherited by A'
    b_parent: int


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of long work and how far it is."""

    id: str
    kind: JobKind
    state: JobState = "queued"
    target: str = ""  # what it works on: a file's name, a recipe, a model id
    stage: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    reason: str = ""  # why it failed, for people
    result: str = ""  # id of what it made: a video, a generation, a model
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
    embedding_dim: int  # 0 where the recipe has no embedding (context)
    generation: str = ""  # linking run it was trained from
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class GraphCounts:
    """How much of everything the graph holds (of the current generation where that applies)."""

    videos: int = 0
    frames: int = 0
    patches: int = 0
    tracks: int = 0
    intra_instance: int = 0
    inter_instance: int = 0
    parent_clusters: int = 0
    child_clusters: int = 0
    quadruples: int = 0
