"""Recognition of the format of tracks by the content of a path."""

from pathlib import Path

from graph.errors import InvalidInput
from workers.importing.coco import read_coco
from workers.importing.fiftyone import is_fiftyone, read_fiftyone
from workers.importing.folders import read_object_folders
from workers.importing.json_file import read_json
from workers.importing.mot import read_mot
from workers.importing.parquet import read_parquet
from workers.importing.sequences import TrackedSequence, TrackFormat

_TEXT = (".txt", ".csv")


def read_sequences(path: Path, media: Path | None = None) -> list[TrackedSequence]:
    """Read MOTChallenge text, a folder of a MOTChallenge sequence, COCO-style JSON, an export, or folders of pictures.

    An export is what `transitive export --format fiftyone` or `--format parquet` wrote, its folder or a file of it.
    `media` is the video or the folder of its frames, if it is not beside the tracks. Raises `InvalidInput`.
    """
    if media is not None and not media.exists():
        raise InvalidInput(f"There is no video {media}.")
    path = _file_of(path)
    if path.is_dir():
        if media is not None:
            raise InvalidInput(f"{path} is a folder of pictures, which needs no --video.")
        return read_object_folders(path)
    if not path.is_file():
        raise InvalidInput(f"There is no file or folder {path}.")
    if path.stat().st_size == 0:
        raise InvalidInput(f"{path} is empty.")
    if path.suffix.lower() in _TEXT:
        return read_mot(path, media)
    if path.suffix.lower() == ".json":
        return read_fiftyone(path, media) if is_fiftyone(read_json(path)) else read_coco(path, media)
    if path.suffix.lower() == ".parquet":
        return read_parquet(path.parent, media)
    raise InvalidInput(
        f"{path} holds no tracks: give MOTChallenge text (.txt), COCO JSON, a folder of pictures, or a folder that "
        "`transitive export --format fiftyone` or `--format parquet` wrote."
    )


def _file_of(path: Path) -> Path:
    """Return the file of tracks in the folder of a MOTChallenge sequence or of an export; any other path as it is."""
    if (path / "gt" / "gt.txt").is_file():
        return path / "gt" / "gt.txt"
    if (path / "labels.json").is_file() and (path / "data").is_dir():  # FiftyOne's layout
        return path / "labels.json"
    tables = (path / name for name in ("patches.parquet", "tracks.parquet"))
    return next((table for table in tables if table.is_file()), path)


def read_sequence(track_format: TrackFormat, source: Path, media: Path | None, name: str) -> TrackedSequence:
    """Read one of the sequences of a source again; raises `InvalidInput` if it no longer exists."""
    if track_format == "pictures":
        found = read_object_folders(source)[:1]
    else:
        found = [one for one in read_sequences(source, media) if one.name == name]
    if not found:
        raise InvalidInput(f"{source} no longer holds {name}. Run the same command again.")
    return found[0]
