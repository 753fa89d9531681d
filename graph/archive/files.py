"""The files of an export: copies shards and models out of a home folder and into another.

FOLDER/export.json      counts of nodes, and the size of each file; written last
FOLDER/graph/           nodes and relationships (see `tables`)
FOLDER/data/            patches, frames, timelines, features, embeddings, centroids, models, at the home's own paths

An export may come from an untrusted source: symbolic links are refused, and only files in export.json are copied.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from graph.errors import InvalidInput, NotFound, StorageError
from graph.identifiers import require_inside
from graph.records import Progress
from graph.shards import Shards

_FORMAT = 2  # format 1 identified nodes by ids instead of numbers
_NAME = "export.json"
_FOLDERS = frozenset({"patches", "frames", "timelines", "features", "embeddings", "centroids", "models"})


@dataclass(frozen=True, slots=True)
class Export:
    """Content of export.json."""

    counts: dict[str, int]  # number of nodes and relationships of each kind
    files: dict[str, int]  # size in bytes of every file, by path below the folder
    format: int = _FORMAT


def copy_out(shards: Shards, models: Path, folder: Path, progress: Progress) -> None:
    """Copy the files of a home folder into FOLDER/data, without those of jobs that are running (runs, segments)."""
    sources = {name: size for name, size in shards.files().items() if name.split("/")[0] in _FOLDERS}
    done, total = 0, sum(sources.values())
    for name, size in sources.items():
        progress("copying files", done, total, "bytes")
        shards.take_out(name, folder / "data" / name)
        done += size
    if models.is_dir() and not any(name.startswith("models/") for name in sources):  # shards are in another place
        shutil.copytree(models, folder / "data" / "models")
    progress("copying files", done, total, "bytes")


def copy_in(folder: Path, made: Export, shards: Shards, models: Path, progress: Progress) -> None:
    """Copy the files below FOLDER/data that `made` lists into this home folder's shards and models."""
    data = folder / "data"
    sources = sorted(data / name.removeprefix("data/") for name in made.files if name.startswith("data/"))
    for done, path in enumerate(sources):
        progress("copying files", done, len(sources), "files")
        name = path.relative_to(data)
        if name.parts[0] not in _FOLDERS:
            raise InvalidInput(f"{path} is in no folder of an export. Remove it, or export again.")
        if name.parts[0] == "models":
            target = models / Path(*name.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        else:
            shards.put_in(path, name.as_posix())
    progress("copying files", len(sources), len(sources), "files")


def seal(folder: Path, counts: dict[str, int]) -> Export:
    """Write export.json, which completes the export."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    made = Export(counts, sizes)
    (folder / _NAME).write_text(json.dumps(asdict(made), indent=1))
    return made


def open_export(folder: Path) -> Export:
    """Read export.json and check that all its files are complete.

    Raises `NotFound` if the folder is not an export, `InvalidInput` if it has another format or contains a symbolic
    link, and `StorageError` if a file is missing or truncated.
    """
    listed = folder / _NAME
    if not listed.is_file():
        raise NotFound(f"{folder} is not an export: it has no {_NAME}. Name a folder that an export was written to.")
    try:
        made = Export(**json.loads(listed.read_text()))
    except (ValueError, TypeError) as error:
        raise StorageError(f"{listed} cannot be read ({error}). Export again.") from None
    if made.format != _FORMAT:
        raise InvalidInput(
            f"{folder} was exported by another release (format {made.format}, not {_FORMAT}). Import it there."
        )
    for link in folder.rglob("*"):
        if link.is_symlink():
            raise InvalidInput(
                f"{link} is a symbolic link, which an export must not contain. Remove it or export again."
            )
    for name, size in made.files.items():
        path = folder / require_inside(name)
        if not path.is_file() or path.stat().st_size != size:
            raise StorageError(f"{path} is missing or truncated. Copy the complete export again.")
    return made
