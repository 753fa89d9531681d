"""Reader of folders of pictures: each folder that holds pictures is one object, and its files are its views."""

import os
from pathlib import Path

from graph.errors import InvalidInput
from training.pictures import SUFFIXES
from workers.importing.natural import natural_order
from workers.importing.sequences import TrackedBox, TrackedSequence

_FEWEST = 2  # views: a start and an end


def read_object_folders(folder: Path) -> list[TrackedSequence]:
    """Read every folder at or below `folder` that holds pictures, in natural order; its name is relative to `folder`.

    Raises `InvalidInput` if there is none, or if no object has two views.
    """
    found = []
    single = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        files = natural_order(Path(place) / name for name in names if Path(name).suffix.lower() in SUFFIXES)
        if len(files) < _FEWEST:
            single += len(files)
            continue
        path = Path(place)
        name = path.relative_to(folder).as_posix() if path != folder else folder.absolute().name
        boxes = tuple(TrackedBox(frame, None) for frame in range(len(files)))
        found.append(TrackedSequence(name, "pictures", path, {"object": boxes}, pictures=dict(enumerate(files))))
    if not found:
        why = "its objects have one picture each, and a track needs two" if single else "it holds no pictures"
        raise InvalidInput(
            f"{folder} gives no track: {why}. Give a folder that contains one folder of pictures per object."
        )
    return found
