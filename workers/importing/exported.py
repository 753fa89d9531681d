"""Patches that `transitive export` wrote for FiftyOne or as Parquet, gathered into the sequences of their videos.

The patches of one track are its start A and its ends A'. The media are found by the names of the videos.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from graph.errors import InvalidInput
from graph.exchange.names import file_stem
from graph.records import Video
from workers.importing.media import picture_files, video_file
from workers.importing.sequences import Rectangle, TrackedBox, TrackedSequence, gather_tracks


@dataclass(frozen=True, slots=True)
class ExportedPatch:
    """One patch with its place in its track."""

    video: str  # id
    track: str
    role: str  # "start" or "end"
    frame: int  # from 0
    box: Rectangle
    confidence: float  # of the track to this end; of a start the highest
    where: str  # in the export, for messages


def exported_sequences(
    source: Path,
    form: Literal["fiftyone", "parquet"],
    names: Mapping[str, str],
    patches: Iterable[ExportedPatch],
    media: Path | None,
    left_out: Mapping[str, Mapping[str, int]],
) -> list[TrackedSequence]:
    """Gather patches into one sequence per video.

    Args:
        source: the file of the patches.
        form: the format of the export.
        names: the names of the videos by their ids.
        patches: of all videos.
        media: folder of the videos, or the file of the only video; None: the folder of `source`.
        left_out: numbers of skipped rows by reason, by the id of the video.

    Raises:
        InvalidInput: there is no patch, a track is contradictory, or a video is missing.
    """
    of_video: dict[str, list[ExportedPatch]] = defaultdict(list)
    for patch in patches:
        of_video[patch.video].append(patch)
    if not of_video:
        raise InvalidInput(f"{source} holds no tracks.")
    folder = media or source.absolute().parent
    if folder.is_file() and len(of_video) > 1:
        raise InvalidInput(f"{source} holds tracks of {len(of_video)} videos. Name their folder: --video FOLDER.")
    often = Counter(names[video] for video in of_video)
    found = []
    for video in sorted(of_video):
        name = names[video]
        if often[name] > 1:  # the name does not tell which file it is
            name = file_stem(Video(video, name))
        path, pictures = _media(source, folder, name)
        missing = Counter(left_out.get(video, {}))
        tracks = _tracks(source, of_video[video], missing)
        found.append(TrackedSequence(name, form, source, tracks, path, pictures, missing))
    return found


def _tracks(source: Path, patches: list[ExportedPatch], left_out: Counter[str]) -> dict[str, tuple[TrackedBox, ...]]:
    """Return A and then the ends A' of every track. A track without its start is left out and counted."""
    starts = Counter(patch.track for patch in patches if patch.role == "start")
    first = {patch.track: patch.frame for patch in patches if patch.role == "start"}
    rows = []
    for patch in patches:
        if starts[patch.track] > 1:
            raise InvalidInput(f"{source.name}, {patch.where}: track {patch.track} has two starts.")
        if patch.role == "end" and patch.frame <= first.get(patch.track, -1):
            raise InvalidInput(f"{source.name}, {patch.where}: the end of track {patch.track} is not after its start.")
        if patch.track in starts:
            rows.append((patch.track, TrackedBox(patch.frame, patch.box, patch.confidence), patch.where))
    if gone := {patch.track for patch in patches} - set(starts):
        left_out["tracks without their start"] += len(gone)
    return gather_tracks(source.name, rows)


def _media(source: Path, folder: Path, name: str) -> tuple[Path | None, dict[int, Path]]:
    """Return the video of this name in a folder, or the pictures of the folder of this name."""
    place = PurePath(name)
    if not name or place.is_absolute() or ".." in place.parts:
        raise InvalidInput(f"{source.name}: {name[:60]!r} is not the name of a video.")
    path = video_file(folder, name)
    pictures = {} if path else picture_files(folder / name)
    if path is None and not pictures:
        raise InvalidInput(
            f"{source}: {folder} holds neither the video {name[:100]} nor a folder of pictures of this name. "
            "Name the folder of the videos: --video FOLDER."
        )
    return path, pictures
