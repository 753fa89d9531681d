"""Answers of the probes."""

from pydantic import BaseModel


class CheckResponse(BaseModel):
    """Whether one part of the system is available."""

    ok: bool
    detail: str


class ReadyResponse(BaseModel):
    """Whether all required parts are available."""

    ready: bool
    checks: dict[str, CheckResponse]
