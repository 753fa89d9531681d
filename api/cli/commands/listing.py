"""`transitive list`, `delete` and `open`: look at what the graph holds, remove a video, open the pages."""

import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

from api.cli.job_line import job_line
from api.cli.session import open_graph
from api.cli.stack import Stack
from api.cli.terminal import Json, answer
from graph import jobs, models, videos
from graph.connection import Connection
from graph.errors import NotFound, Unavailable
from graph.generations import catalogue
from graph.records import Job, Model, Video
from graph.settings import settings
from graph.shards import Shards

_PAGE = 1000
_MARK = {True: "*", False: " "}
Record = TypeVar("Record", Video, Job, Model)
Listed = tuple[dict[str, Any], list[str]]  # the JSON object, and a line for each row


class Kind(StrEnum):
    """The kinds of lists."""

    VIDEOS = "videos"
    JOBS = "jobs"
    MODELS = "models"
    GENERATIONS = "generations"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
    app.command()(delete)
    app.command("open")(open_)


def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List videos, jobs, models or linking runs (generations), one a line.

    The generation in use is marked by an asterisk; a line below says how many videos are not linked yet. An id from
    here is what `delete`, `graph delete`, `embed --model`, `evaluate --model` and `export-model` take.
    """
    with open_graph() as connection:
        facts, lines = _ROWS[kind](connection)
    answer(facts, as_json, "\n".join(lines) or f"There are no {kind.value} yet.")


def delete(
    video: Annotated[str, typer.Argument(help="Id or file name of a video; `transitive list videos` shows both.")],
    as_json: Json = False,
) -> None:
    """Delete a video with its patches, edges, pixels and vectors; the video file itself stays."""
    with open_graph() as connection:
        found = _find_video(connection, video)
        videos.delete_video(connection, found.id)
    Shards(settings().data).delete_video(found.id)
    answer({"deleted": found.id, "name": found.name}, as_json, f"Deleted {found.name} ({found.id}).")


def open_() -> None:
    """Open the pages of this home in the browser."""
    found = Stack(settings()).status()
    if not found.api:
        raise Unavailable("The API does not run. `transitive up` starts it.")
    webbrowser.open(found.api)
    answer({}, False, found.api)


def _find_video(connection: Connection, text: str) -> Video:
    """Return the video with this id, or the only one with this file name."""
    named = []
    for video in _pages(connection, videos.list_videos):
        if video.id == text:
            return video
        if video.name == text:
            named.append(video)
    if len(named) == 1:
        return named[0]
    if named:
        raise NotFound(f"{len(named)} videos are called {text}. Name one by its id: {', '.join(v.id for v in named)}.")
    raise NotFound(f"There is no video {text}. `transitive list videos` shows those there are.")


def _pages(connection: Connection, read: Callable[[Connection, str, int], list[Record]]) -> Iterator[Record]:
    """Yield all records of a list that is read page by page."""
    after = ""
    while page := read(connection, after, _PAGE):
        yield from page
        after = page[-1].id


def _videos(connection: Connection) -> Listed:
    found = list(_pages(connection, videos.list_videos))
    lines = [f"{v.id}  {v.status:<7}  {v.duration_s:8.1f} s  {v.name}  {v.reason}".rstrip() for v in found]
    return {"videos": [asdict(video) for video in found]}, lines


def _jobs(connection: Connection) -> Listed:
    found = list(_pages(connection, jobs.list_jobs))
    return {"jobs": [asdict(job) for job in found]}, [job_line(job) for job in found]


def _models(connection: Connection) -> Listed:
    found = list(_pages(connection, models.list_models))
    current = models.current_model(connection)
    lines = [
        f"{_MARK[m == current]} {m.id}  {m.recipe} ({m.preset})  {m.step:,} steps  {m.created_at[:19]}" for m in found
    ]
    return {"models": [{**asdict(model), "current": model == current} for model in found]}, lines


def _generations(connection: Connection) -> Listed:
    found = catalogue.list_generations(connection)
    unlinked = catalogue.unlinked_videos(connection)
    rows = [
        {name: value for name, value in asdict(one).items() if not name.endswith("_sizes")} | {"buckets": one.buckets}
        for one in found
    ]
    lines = [
        f"{_MARK[one.current]} {one.id}  {one.created_at[:19]}  {one.feature_model}: {one.patches:,} patches, "
        f"{one.parents:,} parents, {one.children:,} children, {one.edges:,} edges, {one.quadruples:,} quadruples"
        for one in found
    ]
    lines += [f"{unlinked} videos are not linked yet."] if found and unlinked else []
    return {"generations": rows, "videos_not_linked": unlinked}, lines


_ROWS: dict[Kind, Callable[[Connection], Listed]] = {
    Kind.VIDEOS: _videos,
    Kind.JOBS: _jobs,
    Kind.MODELS: _models,
    Kind.GENERATIONS: _generations,
}
