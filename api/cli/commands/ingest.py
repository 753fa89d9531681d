"""`transitive ingest`: mining of files and folders of videos into patches and tracks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.ingestion import Outcome, ingest_files, ingest_request, sort_out
from api.cli.session import open_session
from api.cli.terminal import Json, answer, say
from api.cli.usage import checked_arguments
from api.cli.video_files import find_videos, is_unreadable, summary
from graph.errors import InvalidInput
from graph.queries.counts import graph_counts
from graph.records import Job
from graph.settings import settings
from graph.videos import notes_of
from workers import queue
from workers.mining.recipe import Mining

_TRACK_LENGTH = Mining().track_length
_SHOWN_NOTES = 20  # videos


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ingest)


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Video files, or folders, which are searched recursively.")],
    detach: Annotated[bool, typer.Option("--detach", help="Print the jobs' ids at once, do not wait.")] = False,
    track_length: Annotated[
        str,
        typer.Option(
            help="Frames from A to A': 30, or 15 for recipe transitive-15 in a home of its own. A list such "
            "as 30,60,120 gives a start A several ends A', each kept only while the track is trusted."
        ),
    ] = str(_TRACK_LENGTH),
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only estimate frames, patches, disk space and time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Mine videos: moving objects, their tracks, patches and intra-instance edges.

    Videos that are in the graph already are left alone, so the same command completes an interrupted run. In a folder,
    every file that holds a video is taken; the others are counted with their reason. Exit status 1: a video failed or a
    file could not be read; all others are complete.
    """
    with checked_arguments():
        numbers = _lengths(track_length)
        Mining(**numbers)
    found = find_videos(paths)
    if found.left_out:
        say(f"Left out: {summary(found.left_out)}.")
    if estimate:
        _estimate(found.videos, as_json)
        return
    with open_session() as session:
        connection = session.connection
        if detach:
            files = sort_out(connection, found.videos)
            jobs = [queue.submit(connection, session.redis_url, ingest_request(one, numbers)) for one in files.new]
            left_out = {**found.left_out, **files.unreadable}
            submitted = {"jobs": [job.id for job in jobs], "already": [one.path.name for one in files.already]}
            answer(submitted | {"left_out": _reasons(left_out)}, as_json, "\n".join(job.id for job in jobs))
            return
        outcome = ingest_files(session, found.videos, numbers)
        notes = notes_of(connection, [job.result for job in outcome.ingested])
        named = {job.target: notes[job.result] for job in outcome.ingested if job.result in notes}
        left_out = {**found.left_out, **outcome.files.unreadable}
        facts = {**_facts(outcome, left_out), "notes": named, "graph": asdict(graph_counts(connection))}
    answer(facts, as_json, _text(outcome, facts, left_out))
    if outcome.failed or outcome.cancelled or any(is_unreadable(reason) for reason in left_out.values()):
        raise typer.Exit(1)


def _reasons(left_out: Mapping[Path, str]) -> dict[str, int]:
    return dict(Counter(left_out.values()).most_common())


def _facts(outcome: Outcome, left_out: Mapping[Path, str]) -> dict[str, Any]:
    return {
        "ingested": len(outcome.ingested),
        "already": len(outcome.files.already),
        "doubles": len(outcome.files.doubles),
        "failed": len(outcome.failed),
        "cancelled": len(outcome.cancelled),
        "failures": [{"name": job.target, "reason": job.reason} for job in outcome.failed],
        "left_out": _reasons(left_out),
        "unreadable": [str(path) for path, reason in left_out.items() if is_unreadable(reason)],
        "videos": [job.result for job in outcome.ingested] + [video.id for video in outcome.files.already],
    }


def _text(outcome: Outcome, facts: Mapping[str, Any], left_out: Mapping[Path, str]) -> str:
    graph = facts["graph"]
    lines = [
        f"{len(outcome.ingested)} videos ingested, {len(outcome.files.already)} were there already, "
        f"{len(outcome.failed)} failed. The graph holds {graph['videos']:,} videos, {graph['patches']:,} patches and "
        f"{graph['intra_instance']:,} intra-instance edges."
    ]
    for reason, count in Counter(_general(job) for job in outcome.failed).most_common():
        names = [job.target for job in outcome.failed if _general(job) == reason]
        lines.append(f"  {count} × {reason}: {', '.join(names[:5])}{' …' if count > 5 else ''}")
    lines += [f"  Left out: {summary(left_out)}."] if left_out else []
    notes = facts["notes"]
    lines += [f"  {name}: {' '.join(notes[name])}" for name in list(notes)[:_SHOWN_NOTES]]
    if len(notes) > _SHOWN_NOTES:
        lines.append(f"  … and notes on {len(notes) - _SHOWN_NOTES} more videos: `--json` prints them all.")
    if outcome.cancelled:
        lines.append(f"  {len(outcome.cancelled)} were cancelled. Run the same command again to continue.")
    return "\n".join(lines)


def _general(job: Job) -> str:
    """Take the file's name out of a reason, so that equal reasons are counted together."""
    return job.reason.replace(job.target, "the file").removesuffix(".")


def _lengths(text: str) -> dict[str, Any]:
    """Read the lengths of tracks; returns the fields of `Mining` that differ from the defaults."""
    try:
        first, *longer = (int(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput(f"--track-length takes numbers of frames, such as 30 or 30,60,120, not {text!r}.") from None
    return ({} if first == _TRACK_LENGTH else {"track_length": first}) | ({"longer": longer} if longer else {})


def _estimate(files: Sequence[Path], as_json: bool) -> None:
    from workers.mining.estimate import estimate

    forecast = estimate(list(files), settings())
    answer(asdict(forecast), as_json, forecast.text())
