"""Shared parts of all answers: models that are read from records, pages of a list, and the patterns of ids."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

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
