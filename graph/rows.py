"""Conversion of a node's properties into a record."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from graph.records import Job, Model, Patch, Video

R = TypeVar("R", Video, Patch, Job, Model)


def as_record(kind: type[R], properties: Mapping[str, Any]) -> R:
    """Build a record from the properties that are its fields; other properties of the node are ignored."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in properties.items() if name in names and value is not None})
