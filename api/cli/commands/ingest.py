"""`transitive ingest`: files and folders of videos become patches and tracks in the graph."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.commands.stack import open_connection
from api.cli.stack import Stack
from api.cli.terminal import Bars, Json, answer, say
from api.cli.waiting import FINISHED, Waiting
from graph.connection import Connection
from graph.errors import InvalidInput
from graph.queries.counts import graph_counts
from graph.records import Job
from graph.settings import Settings, settings
from graph.videos import notes_of, ready_video_ids
from workers import queue
from workers.mining.recipe import Mining

_KNOWN = "3gp asf avi flv gif m2ts m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
_TRACK_LENGTH = Mining().track_length
_SHOWN_NOTES = 20  # videos
SUFFIXES = frozenset(f".{name}" for name in _KNOWN.split())


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A file to ingest, and the id its bytes give it."""

    path: Path
    id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an ingest command went, video by video."""

    ingested: list[Job]
    failed: list[Job]
    cancelled: list[Job]
    already: list[VideoFile]
    twins: list[Path]  # files whose bytes another file of the same command has


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ingest)


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Video files, or folders of them (searched with all below).")],
    detach: Annotated[bool, typer.Option("--detach", help="Return the jobs' ids at once, do not wait.")] = False,
    track_length: Annotated[
        int, typer.Option(min=5, help="Frames from A to A': 30, or 15 for recipe transitive-15 in a home of its own.")
    ] = _TRACK_LENGTH,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how many frames and patches, how much disk and time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Mine videos: moving objects, their tracks, patches and intra-instance edges.

    Videos that are in the graph already are left alone, so the same command completes what was interrupted. Exit status
    1 when any video failed; the others are complete then.
    """
    Mining(track_length=track_length)  # says what is wrong with it before anything is started
    numbers = {} if track_length == _TRACK_LENGTH else {"track_length": track_length}
    files = find_videos(paths)
    if estimate:
        _estimate(files, as_json)
        return
    stack = Stack(settings())
    with Bars() as bars:
        found = stack.up(bars)
    with open_connection(found) as connection:
        if detach:
            videos, already, _ = sort_out(connection, files)
            url = found.redis_url.get_secret_value()
            jobs = [
                queue.submit(connection, url, "ingest", _arguments(video, numbers), video.path.name) for video in videos
            ]
            submitted = {"jobs": [job.id for job in jobs], "already": [video.path.name for video in already]}
            answer(submitted, as_json, "\n".join(job.id for job in jobs))
            return
        outcome = ingest_files(stack, found, connection, files, numbers)
        notes = notes_of(connection, [job.result for job in outcome.ingested])
        named = {job.target: notes[job.result] for job in outcome.ingested if job.result in notes}
        facts = {**_facts(outcome), "notes": named, "graph": asdict(graph_counts(connection))}
    answer(facts, as_json, _text(outcome, facts))
    if outcome.failed or outcome.cancelled:
        raise typer.Exit(1)


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """List the files named, and those in the folders named that have a video's suffix; sorted, each once.

    Raises `InvalidInput` for a path that is not there, or when no file is left.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            files |= dict.fromkeys(file.resolve() for file in inside)
        elif path.is_file():
            files[path.resolve()] = None
        else:
            raise InvalidInput(f"There is no file or folder {path}.")
    if not files:
        names = ", ".join(str(path) for path in paths)
        raise InvalidInput(f"No video in {names}: no file ends in {', '.join(sorted(SUFFIXES))}.")
    return list(files)


def sort_out(connection: Connection, files: Sequence[Path]) -> tuple[list[VideoFile], list[VideoFile], list[Path]]:
    """Split files into those to mine, those in the graph already, and doubles of another file (by their bytes)."""
    from workers.mining.video import video_id

    ready = set(ready_video_ids(connection))
    new: dict[str, VideoFile] = {}
    already: dict[str, VideoFile] = {}
    twins = []
    for path in files:
        video = VideoFile(path, video_id(path))
        if video.id in new or video.id in already:
            twins.append(path)
        elif video.id in ready:
            already[video.id] = video
        else:
            new[video.id] = video
    return list(new.values()), list(already.values()), twins


def _arguments(video: VideoFile, numbers: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"path": str(video.path), "video": video.id, "name": video.path.name}
    return asked | ({"mining": dict(numbers)} if numbers else {})


def ingest_files(
    stack: Stack,
    found: Settings,
    connection: Connection,
    files: Sequence[Path],
    numbers: Mapping[str, Any],
) -> Outcome:
    """Mine what is not in the graph yet and wait for it, showing every video that is being worked on.

    `numbers` are those of `Mining` that are not the usual ones, by name.
    """
    videos, already, twins = sort_out(connection, files)
    if already:
        say(f"{len(already)} of {len(files)} videos are in the graph already and are left alone.")
    for twin in twins:
        say(f"{twin.name} has the bytes of another file; it is taken once.")
    if not videos:
        return Outcome([], [], [], already, twins)
    with Waiting(stack, found, connection) as waiting, Bars() as bars:
        jobs = [waiting.submit("ingest", _arguments(video, numbers), video.path.name) for video in videos]
        ended = waiting.until_finished(bars, _Drawing())
    by_state: dict[str, list[Job]] = {"done": [], "failed": [], "cancelled": []}
    for job in jobs:
        by_state[ended[job.id].state].append(ended[job.id])
    return Outcome(by_state["done"], by_state["failed"], by_state["cancelled"], already, twins)


class _Drawing:
    """One bar for all videos, and one for each that is being mined."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def __call__(self, bars: Bars, jobs: Mapping[str, Job]) -> None:
        finished = sum(job.state in FINISHED for job in jobs.values())
        bars.show("all", "videos", finished, len(jobs), "videos")
        running = {job.id: job for job in jobs.values() if job.state == "running" and job.stage}
        for gone in self._shown - set(running):
            bars.remove(gone)
        for job in running.values():
            bars.show(job.id, f"  {job.target[:32]} · {job.stage}", job.done, job.total, job.unit)
        self._shown = set(running)


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "ingested": len(outcome.ingested),
        "already": len(outcome.already),
        "doubles": len(outcome.twins),
        "failed": len(outcome.failed),
        "cancelled": len(outcome.cancelled),
        "failures": [{"name": job.target, "reason": job.reason} for job in outcome.failed],
        "videos": [job.result for job in outcome.ingested] + [video.id for video in outcome.already],
    }


def _text(outcome: Outcome, facts: Mapping[str, Any]) -> str:
    graph = facts["graph"]
    lines = [
        f"{len(outcome.ingested)} videos ingested, {len(outcome.already)} were there already, "
        f"{len(outcome.failed)} failed. The graph holds {graph['videos']:,} videos, {graph['patches']:,} patches and "
        f"{graph['intra_instance']:,} intra-instance edges."
    ]
    for reason, count in Counter(_general(job) for job in outcome.failed).most_common():
        names = [job.target for job in outcome.failed if _general(job) == reason]
        lines.append(f"  {count} × {reason}: {', '.join(names[:5])}{' …' if count > 5 else ''}")
    notes = facts["notes"]
    lines += [f"  {name}: {' '.join(notes[name])}" for name in list(notes)[:_SHOWN_NOTES]]
    if len(notes) > _SHOWN_NOTES:
        lines.append(f"  … and notes on {len(notes) - _SHOWN_NOTES} more videos: see `--json` or `GET /videos/{{id}}`.")
    if outcome.cancelled:
        lines.append(f"  {len(outcome.cancelled)} were cancelled. Run the same command again to go on.")
    return "\n".join(lines)


def _general(job: Job) -> str:
    """Take the file's name out of a reason, so that equal reasons are counted together."""
    return job.reason.replace(job.target, "the file").removesuffix(".")


def _estimate(files: Sequence[Path], as_json: bool) -> None:
    from workers.mining.estimate import estimate

    forecast = estimate(list(files), settings())
    answer(asdict(forecast), as_json, forecast.text())
