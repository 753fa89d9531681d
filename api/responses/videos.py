"""Answers about videos and their uploads."""

import json
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from api.responses.response import VIDEO_ID, Response
from graph.records import Origin


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
    tool: str = Field("", description="Tool that made the imported tracks.", examples=["ByteTrack"])
    report: dict[str, Any] = Field(
        description="What mining counted: windows, tracks, cuts, damaged frames, and what was refused, by reason; {} "
        "where it failed.",
        examples=[{"windows": 20, "tracks": 5, "cuts": 5, "refused_windows": {"nothing moves on its own": 8}}],
    )

    patches: int = Field(0, description="Number of its patches.")
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


class UploadResponse(BaseModel):
    """A resumable upload and the number of bytes received."""

    id: str
    name: str
    length: int = Field(description="Bytes of the whole file.")
    offset: int = Field(description="Bytes received.")
    job: str = Field(description="The ingest job of the complete file; empty before.")
