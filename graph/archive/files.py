"""The files of an export: shards and models, copied out of a home and into one.

FOLDER/export.json      what the export holds, with the length of each file; written last
FOLDER/graph/           nodes and relationships (see `tables`)
FOLDER/data/            patches, frames, features, embeddings, centroids, models: as they lie in the home

An export may come from somebody else. Links are refused, and only the files that export.json lists are copied.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from graph.errors import InvalidInput, NotFound, StorageError
from graph.identifiers import require_inside
from graph.linking.parts import RUNS
from graph.records import Progress
from graph.shards import Shards

_FORMAT = 2  # 1 named nodes by their ids in place of numbers
_NAME = "export.json"
_FOLDERS = frozenset({"patches", "frames", "features", "embeddings", "centroids", "models"})


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds."""

    counts: dict[str, int]  # nodes and relationships of each kind
    files: dict[str, int]  # bytes of every file, named from the folder
    format: int = _FORMAT


def copy_out(shards: Shards, models: Path, folder: Path, progress: Progress) -> None:
    """Copy all files of a home into FOLDER/data; those of a linking under way are left out."""
    sources = {name: size for name, size in shards.files().items() if not name.startswith(f"{RUNS}/")}
    done, total = 0, sum(sources.values())
    for name, size in sources.items():
        progress("copying files", done, total, "bytes")
        shards.take_out(name, folder / "data" / name)
        done += size
    if models.is_dir() and not any(name.startswith("models/") for name in sources):  # where the shards are elsewhere
        shutil.copytree(models, folder / "data" / "models")
    progress("copying files", done, total, "bytes")


def copy_in(folder: Path, made: Export, shards: Shards, models: Path, progress: Progress) -> None:
    """Copy the files that `made` lists below FOLDER/data to where this home keeps them."""
    data = folder / "data"
    sources = sorted(data / name.removeprefix("data/") for name in made.files if name.startswith("data/"))
    for done, path in enumerate(sources):
        progress("copying files", done, len(sources), "files")
        name = path.relative_to(data)
        if name.parts[0] not in _FOLDERS:
            raise InvalidInput(f"{path} belongs to no part of an export. Remove it, or export again.")
        if name.parts[0] == "models":
            target = models / Path(*name.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        else:
            shards.put_in(path, name.as_posix())
    progress("copying files", len(sources), len(sources), "files")


def seal(folder: Path, counts: dict[str, int]) -> Export:
    """Write down what the folder holds; with that it is an export."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    made = Export(counts, sizes)
    (folder / _NAME).write_text(json.dumps(asdict(made), indent=1))
    return made


def open_export(folder: Path) -> Export:
    """Read what an export holds and see that all of it is there.

    Raises `NotFound` for a folder that is none, `InvalidInput` for one of another release, `StorageError` for a file
    that is missing or cut short.
    """
    listed = folder / _NAME
    if not listed.is_file():
        raise NotFound(f"{folder} is no export: it has no {_NAME}. `transitive export {folder}` makes one.")
    try:
        made = Export(**json.loads(listed.read_text()))
    except (ValueError, TypeError) as error:
        raise StorageError(f"{listed} cannot be read ({error}). Export again.") from None
    if made.format != _FORMAT:
        raise InvalidInput(f"{folder} is an export of another release (format {made.format}). Use that one.")
    for link in folder.rglob("*"):
        if link.is_symlink():
            raise InvalidInput(f"{link} is a link. An export holds plain files only: remove the link, or export again.")
    for name, size in made.files.items():
        path = folder / require_inside(name)
        if not path.is_file() or path.stat().st_size != size:
            raise StorageError(f"{path} is missing or cut short. Copy the export again, whole.")
    return made
