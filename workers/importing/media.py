"""The media of tracks in a folder: a video, or a folder of pictures, found by the video's name."""

from pathlib import Path

from training.pictures import SUFFIXES
from workers.importing.natural import natural_order


def video_file(folder: Path, name: str) -> Path | None:
    """Return the file of a video: `folder` itself, or the file in it that has the video's name or stem."""
    if folder.is_file():
        return folder
    try:
        if (folder / name).is_file():
            return folder / name
        parent, stem = (folder / name).parent, Path(name).name
        files = sorted(parent.glob("*")) if parent.is_dir() else []
        return next((path for path in files if path.stem == stem and path.is_file()), None)
    except OSError:  # a name that is too long for a file
        return None


def picture_files(folder: Path) -> dict[int, Path]:
    """Return the pictures of a folder in natural order, by their number from 0; none if there is no such folder."""
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES] if folder.is_dir() else []
    except OSError:  # a name that is too long for a folder
        files = []
    return dict(enumerate(natural_order(files)))
