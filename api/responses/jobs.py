"""The answer about a job."""

from pydantic import Field, field_validator

from api.responses.response import Response
from api.short_paths import without_folders
from graph.records import JobKind, JobState


class JobResponse(Response):
    """A piece of long work and its progress."""

    id: str
    kind: JobKind
    state: JobState
    target: str = Field(description="Its input: a file's name, a recipe, a model.")
    stage: str
    done: int
    total: int = Field(description="0: not known yet.")
    unit: str
    reason: str = Field(description="Why it failed, without the server's folders; empty when it did not.")
    result: str = Field(description="Id of its result: a video, a generation, a model.")
    created_at: str
    updated_at: str
    finished_at: str

    @field_validator("reason")
    @classmethod
    def _without_folders(cls, value: str) -> str:
        """Cut the server's absolute paths: keys of scope read see jobs too."""
        return without_folders(value)
