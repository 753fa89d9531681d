"""Conversion of a node's properties into its record."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from graph.records import Job, Model, Patch, Video

R = TypeVar("R", Video, Patch, Job, Model)


def as_record(kind: type[R], properties: Mapping[str, Any]) -> R:
    """Make a record of those properties that are its fields; other rooms may keep more on the same node."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in properties.items() if name in names and value is not None})
