"""A sequence with tracks that were made elsewhere: boxes of objects in the frames of one video or picture series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from graph.errors import InvalidInput

TrackFormat = Literal["mot", "coco", "pictures", "fiftyone", "parquet"]
Rectangle = tuple[float, float, float, float]  # x, y, w, h in the picture's own pixels

# number that the format gives frame 0
FIRST_FRAME: dict[TrackFormat, int] = {"mot": 1, "coco": 0, "pictures": 0, "fiftyone": 0, "parquet": 0}
VIEWS_APART = 4  # from A to A' in a series of pictures of one object, if no track length is given
_OURS = "Transitive Invariance"
TOOL: dict[TrackFormat, str] = {
    "mot": "MOTChallenge",
    "coco": "COCO",
    "pictures": "pictures",
    "fiftyone": _OURS,
    "parquet": _OURS,
}
# of this program: the first box of a track is A, the others are A'
EXPORTS: tuple[TrackFormat, ...] = ("fiftyone", "parquet")


@dataclass(frozen=True, slots=True)
class TrackedBox:
    """An object in one frame."""

    frame: int  # from 0
    box: Rectangle | None  # None: the central square of the picture
    confidence: float = 1.0  # 0..1


@dataclass(frozen=True)
class TrackedSequence:
    """The frames of one video or of one series of pictures, and the tracks in them."""

    name: str  # shown to people; unique in its source
    format: TrackFormat
    source: Path  # the annotation file, or the folder of an object's pictures
    tracks: Mapping[str, tuple[TrackedBox, ...]]  # in the order of the frames
    video: Path | None = None  # None: the frames are pictures
    pictures: Mapping[int, Path] = field(default_factory=dict)  # by frame, from 0
    left_out: Mapping[str, int] = field(default_factory=dict)  # number of skipped rows by reason


def identify(sequence: TrackedSequence, video_bytes: str = "") -> str:
    """Return a hash of a sequence's media and tracks, 32 hexadecimal digits.

    `video_bytes` is the hash of the video's bytes; pictures are read here. Raises `InvalidInput` for an unreadable one.
    """
    digest = blake2b(f"tracks:{video_bytes}".encode(), digest_size=16)
    for frame, path in sorted(sequence.pictures.items()):
        try:
            content = blake2b(path.read_bytes(), digest_size=16).hexdigest()
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read ({error.strerror}).") from None
        digest.update(f"{frame}:{content};".encode())
    for name, boxes in sorted(sequence.tracks.items()):
        text = f"{name}:{[(one.frame, one.box, one.confidence) for one in boxes]};"
        digest.update(text.encode(errors="surrogatepass"))  # JSON may hold half a character
    return digest.hexdigest()


def gather_tracks(source: str, rows: Sequence[tuple[str, TrackedBox, str]]) -> dict[str, tuple[TrackedBox, ...]]:
    """Group (track, box, position in the source) by track, each in the order of its frames.

    Raises `InvalidInput` for a box without area and for a track with two boxes in one frame.
    """
    tracks: dict[str, dict[int, TrackedBox]] = {}
    for name, one, where in rows:
        if one.box is not None and not (one.box[2] > 0 and one.box[3] > 0):
            raise InvalidInput(f"{source}, {where}: the box of track {name} has no area.")
        boxes = tracks.setdefault(name, {})
        if one.frame in boxes:
            raise InvalidInput(
                f"{source}, {where}: track {name} has two boxes in this frame. Give each object its own id."
            )
        boxes[one.frame] = one
    return {name: tuple(boxes[frame] for frame in sorted(boxes)) for name, boxes in tracks.items()}


def choose_pairs(boxes: Sequence[TrackedBox], track_length: int, stride: int) -> list[tuple[TrackedBox, TrackedBox]]:
    """Choose the pairs A, A' of one track.

    A' is the last box at most `track_length` frames after A, or the track's last box if it ends sooner. Starts are
    `stride` frames apart or more, as the windows of mining are, and no box is in two pairs. A track of one frame gives
    none.
    """
    pairs: list[tuple[TrackedBox, TrackedBox]] = []
    used: set[int] = set()
    earliest, last = 0, 0
    for place, start in enumerate(boxes):
        last = max(last, place)
        while last + 1 < len(boxes) and boxes[last + 1].frame <= start.frame + track_length:
            last += 1
        end = boxes[last]
        if start.frame < earliest or last == place or used & {start.frame, end.frame}:
            continue
        pairs.append((start, end))
        used |= {start.frame, end.frame}
        earliest = start.frame + stride
    return pairs


def exported_pairs(boxes: Sequence[TrackedBox], track_length: int) -> list[tuple[TrackedBox, TrackedBox]]:
    """Return the pairs A, A' of one track of an export: its first box with each of the others, as they were mined.

    Ends more than `track_length` frames after A are left out.
    """
    return [(boxes[0], end) for end in boxes[1:] if end.frame - boxes[0].frame <= track_length]


def longest_reach(sequence: TrackedSequence) -> int:
    """Return the number of frames from the first box of a track to its last, of the longest track; at least 1."""
    return max((boxes[-1].frame - boxes[0].frame for boxes in sequence.tracks.values()), default=1) or 1
