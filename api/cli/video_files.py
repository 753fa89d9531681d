"""Search for videos among files and folders; every other file is listed with the reason why it was left out.

A file named in the arguments is always accepted. In a folder, a file with a video's suffix is accepted. Any other file
in a folder is opened in a child process, and accepted if it contains a video.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.cli.terminal import say
from api.cli.usage import WrongCall
from graph.errors import BadVideo, InvalidInput
from graph.settings import settings

_KNOWN = "3gp asf avi flv gif m2ts m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
SUFFIXES = frozenset(f".{name}" for name in _KNOWN.split())

NO_VIDEO = "no video inside"
_LINKED = "linked folder, not searched (name it to take its videos)"
_DEAD_LINK = "link to a file that does not exist"
_NO_FILE = "neither a file nor a folder"
_NAMES_SHOWN = 3  # for each reason


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The videos among some files, sorted and each once; `left_out` has the reason of every other file and folder."""

    videos: list[Path]
    left_out: Mapping[Path, str]

    @property
    def unreadable(self) -> int:
        """Number of files and folders that could not be read."""
        return sum(is_unreadable(reason) for reason in self.left_out.values())


def find_videos(paths: Sequence[Path]) -> FoundFiles:
    """Search the files and folders named, and all folders below them.

    Raises:
        WrongCall: a path does not exist.
        InvalidInput: there is no video.
    """
    videos: dict[Path, None] = {}
    left_out: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            for file, reason in sorted(_search(path)):
                if reason:
                    left_out[file] = reason
                else:
                    videos[file.resolve()] = None
        elif not path.exists():
            raise WrongCall(f"There is no file or folder {path}.")
        elif reason := why_unreadable(path):
            left_out[path] = reason
        else:
            videos[path.resolve()] = None
    if not videos:
        names = ", ".join(str(path) for path in paths)
        raise InvalidInput(f"No video in {names}" + (f": {summary(left_out)}." if left_out else ": it is empty."))
    return FoundFiles(list(videos), left_out)


def list_videos(paths: Sequence[Path]) -> list[Path]:
    """Search as `find_videos` does, and say what was left out."""
    found = find_videos(paths)
    if found.left_out:
        say(f"Left out: {summary(found.left_out)}.")
    return found.videos


def summary(left_out: Mapping[Path, str]) -> str:
    """Count the reasons in one line, with a few names each."""
    counts = Counter(left_out.values())
    return "; ".join(f"{count} × {reason} ({_names(left_out, reason)})" for reason, count in counts.most_common())


def why_unreadable(path: Path) -> str:
    """Return why a file cannot be read; "" if it can."""
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return unreadable(error)


def unreadable(error: OSError) -> str:
    """Return the reason for a file or folder that cannot be read."""
    return f"cannot be read ({error.strerror})"


def is_unreadable(reason: str) -> bool:
    """Whether `unreadable` made this reason."""
    return reason.startswith("cannot be read")


def _search(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file below `folder` with the reason why it is not taken, and every folder that is not searched."""
    refused: list[OSError] = []
    for where, folders, files in os.walk(folder, onerror=refused.append):
        linked = [name for name in folders if Path(where, name).is_symlink()]
        yield from ((Path(where, name), _LINKED) for name in linked)
        yield from ((Path(where, name), _reason(Path(where, name))) for name in files)
    yield from ((Path(str(error.filename)), unreadable(error)) for error in refused)


def _reason(file: Path) -> str:
    """Return why a file in a folder is left out; "" if it is accepted."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return _DEAD_LINK
    except OSError as error:
        return unreadable(error)
    if not stat.S_ISREG(mode):
        return _NO_FILE
    return why_unreadable(file) or ("" if file.suffix.lower() in SUFFIXES or _holds_video(file) else NO_VIDEO)


def _holds_video(file: Path) -> bool:
    from workers.mining.isolated import count_isolated  # imports OpenCV, which only unknown files need
    from workers.mining.recipe import Limits

    try:
        return count_isolated(file, Limits.of(settings())).frames > 1
    except BadVideo:
        return False


def _names(left_out: Mapping[Path, str], reason: str) -> str:
    names = [path.name for path, why in left_out.items() if why == reason]
    return ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
