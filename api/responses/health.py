"""Answers of the probes."""

from pydantic import BaseModel


class CheckResponse(BaseModel):
    """Whether one part of the system is there."""

    ok: bool
    detail: str


class ReadyResponse(BaseModel):
    """Whether everything needed to work is there."""

    ready: bool
    checks: dict[str, CheckResponse]
