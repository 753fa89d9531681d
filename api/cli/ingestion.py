"""Ingestion as jobs that a command waits for; `ingest`, `import-tracks`, `demo` and `compare` share it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.cli.session import Session
from api.cli.terminal import Bars, say
from api.cli.video_files import unreadable
from api.cli.waiting import Waiting
from graph.connection import Connection
from graph.records import ENDED, Job
from graph.videos import ready_video_ids
from workers.requests import IngestRequest, JobRequest


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A file to ingest, and the id that its bytes give it."""

    path: Path
    id: str


@dataclass(frozen=True, slots=True)
class SortedFiles:
    """Files grouped by the action they need."""

    new: list[VideoFile]
    already: list[VideoFile]  # in the graph
    doubles: list[Path]  # their bytes are those of another file
    unreadable: Mapping[Path, str]  # with the reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """The jobs of an ingestion by how they ended."""

    ingested: list[Job]
    failed: list[Job]
    cancelled: list[Job]
    files: SortedFiles


def sort_out(connection: Connection, files: Iterable[Path]) -> SortedFiles:
    """Split files into those to mine, those in the graph already, duplicates, and unreadable ones."""
    from workers.mining.video import video_id  # imports OpenCV

    ready = set(ready_video_ids(connection))
    new: dict[str, VideoFile] = {}
    already: dict[str, VideoFile] = {}
    doubles: list[Path] = []
    refused: dict[Path, str] = {}
    for path in files:
        try:
            video = VideoFile(path, video_id(path))
        except OSError as error:
            refused[path] = unreadable(error)
            continue
        if video.id in new or video.id in already:
            doubles.append(path)
        else:
            (already if video.id in ready else new)[video.id] = video
    return SortedFiles(list(new.values()), list(already.values()), doubles, refused)


def ingest_request(video: VideoFile, numbers: Mapping[str, Any]) -> IngestRequest:
    """Return the request for a video; `numbers` are the fields of `Mining` that differ from the defaults, by name."""
    return IngestRequest(str(video.path), video.id, video.path.name, dict(numbers))


def ingest_files(session: Session, files: Sequence[Path], numbers: Mapping[str, Any]) -> Outcome:
    """Mine what is not in the graph yet and wait for it, with a bar for every video that is being mined."""
    found = sort_out(session.connection, files)
    if found.already:
        say(f"{len(found.already)} of {len(files)} videos are in the graph already and are left alone.")
    for double in found.doubles:
        say(f"{double.name} is identical to another file; only one is ingested.")
    if not found.new:
        return Outcome([], [], [], found)
    ended = run_jobs(session, [ingest_request(video, numbers) for video in found.new])
    return Outcome(ended["done"], ended["failed"], ended["cancelled"], found)


def run_jobs(session: Session, requests: Sequence[JobRequest]) -> dict[str, list[Job]]:
    """Submit one job for each video and wait for all, a bar for each running job; returns the jobs by end state."""
    with Waiting(session) as waiting, Bars() as bars:
        jobs = [waiting.submit(request) for request in requests]
        ended = waiting.until_finished(bars, _Drawing())
    by_state: dict[str, list[Job]] = {"done": [], "failed": [], "cancelled": []}
    for job in jobs:
        by_state[ended[job.id].state].append(ended[job.id])
    return by_state


def say_failures(outcome: Outcome) -> None:
    """Print the videos that could not be mined; the command continues without them."""
    for job in outcome.failed:
        say(f"{job.target} could not be mined: {job.reason}")
    for path, reason in outcome.files.unreadable.items():
        say(f"{path.name} {reason}.")


class _Drawing:
    """Draws one bar for all videos, and one for each video that is being mined."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def __call__(self, bars: Bars, jobs: Mapping[str, Job]) -> None:
        finished = sum(job.state in ENDED for job in jobs.values())
        bars.show("all", "videos", finished, len(jobs), "videos")
        running = {job.id: job for job in jobs.values() if job.state == "running" and job.stage}
        for gone in self._shown - set(running):
            bars.remove(gone)
        for job in running.values():
            bars.show(job.id, f"  {job.target[:32]} · {job.stage}", job.done, job.total, job.unit)
        self._shown = set(running)
