"""The manifest of a model's vector index: its segments, and the recall that was measured when it was built."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from graph.atomic_write import atomic_write
from graph.errors import StorageError

_FORM = 1  # version of the files; an index of another version is rebuilt


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content and search parameters of an index."""

    dimension: int
    segments: tuple[str, ...]  # folders beside the manifest
    rows: int
    trained_rows: int  # number of rows for which the lists were made
    components: int  # principal components in the codes
    lists: int
    visited: int  # lists that a search visits
    recall: float  # share of the ten nearest that are found, over held-out questions
    built_at: str  # ISO 8601, UTC
    form: int = _FORM

    @property
    def vector_bytes(self) -> int:
        """Size of the stored vectors, in float16."""
        return 2 * self.rows * self.dimension

    def with_segment(self, name: str, rows: int) -> "Manifest":
        """Return the manifest with one more segment."""
        return replace(self, segments=(*self.segments, name), rows=self.rows + rows)


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of an index; returns None if there is none or if it has another version."""
    try:
        values = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{folder}/manifest.json cannot be read ({error}). Delete {folder}; it is rebuilt."
        ) from None
    if values.get("form") != _FORM:
        return None
    return Manifest(**{**values, "segments": tuple(values["segments"])})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Switch the index atomically to these segments."""
    atomic_write(folder / "manifest.json", json.dumps(asdict(manifest), indent=1))
