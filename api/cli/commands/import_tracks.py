"""`transitive import-tracks`: import of tracks that another detector or tracker made."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.ingestion import run_jobs
from api.cli.session import open_session
from api.cli.terminal import Json, answer
from api.cli.usage import checked_arguments
from graph.queries.counts import graph_counts
from graph.videos import notes_of, ready_video_ids
from workers import queue
from workers.requests import ImportRequest

if TYPE_CHECKING:
    from workers.importing.sequences import TrackedSequence

_SHOWN = 20  # failures and notes


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import-tracks")(import_tracks)


def import_tracks(
    path: Annotated[
        Path,
        typer.Argument(
            help="MOTChallenge text, COCO-style JSON, a folder that `transitive export --format fiftyone` or "
            "`--format parquet` wrote, or a folder with one folder of pictures per object."
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            help="Video of the tracks, the folder of its frames, or the folder of the videos. Default: found beside "
            "the tracks."
        ),
    ] = None,
    track_length: Annotated[
        int,
        typer.Option(
            min=0,
            help="Frames from A to A' at most. Default (0): 30, 4 views of a series of pictures, or all of an export.",
        ),
    ] = 0,
    tool: Annotated[str, typer.Option(help="Name of the tool that made the tracks; it is stored with them.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Print the jobs' ids at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Import tracks that another tool made: patches, intra-instance edges and their trust.

    MOTChallenge text needs its video or its folder of frames (img1); the boxes of COCO-style JSON need track ids. In
    folders of pictures each folder is one object, and its files in natural order are its views. An export needs the
    folder of its videos, and its pairs A, A' are kept as they are. Sequences that are in the graph already are left
    alone, so the same command completes an interrupted import. Exit status 1: a sequence failed.
    """
    from workers.importing.find import read_sequences  # these bring OpenCV
    from workers.stages.import_tracks import identify_sequence

    media = video.expanduser().absolute() if video else None
    with checked_arguments():
        found = read_sequences(path.expanduser().absolute(), media)
        requests: dict[str, ImportRequest] = {}
        for sequence in found:
            request = _request(sequence, identify_sequence(sequence), media, tool, track_length)
            requests.setdefault(request.video, request)
    with open_session() as session:
        ready = set(ready_video_ids(session.connection))
        new = [request for request in requests.values() if request.video not in ready]
        already = len(requests) - len(new)
        if detach:
            jobs = [queue.submit(session.connection, session.redis_url, request).id for request in new]
            answer({"jobs": jobs, "already": already}, as_json, "\n".join(jobs))
            return
        ended = run_jobs(session, new) if new else {"done": [], "failed": [], "cancelled": []}
        notes = notes_of(session.connection, [job.result for job in ended["done"]])
        counts = graph_counts(session.connection)
    named = {job.target: notes[job.result] for job in ended["done"] if job.result in notes}
    facts = {
        "imported": len(ended["done"]),
        "already": already,
        "failed": len(ended["failed"]),
        "cancelled": len(ended["cancelled"]),
        "failures": [{"name": job.target, "reason": job.reason} for job in ended["failed"]],
        "videos": list(requests),
        "notes": named,
        "graph": asdict(counts),
    }
    lines = [
        f"{len(ended['done'])} sequences imported, {already} were there already, {len(ended['failed'])} failed. "
        f"The graph holds {counts.videos:,} videos, {counts.patches:,} patches and "
        f"{counts.intra_instance:,} intra-instance edges."
    ]
    lines += [f"  {job.target} failed: {job.reason}" for job in ended["failed"][:_SHOWN]]
    lines += [f"  {name}: {' '.join(notes)}" for name, notes in list(named.items())[:_SHOWN]]
    answer(facts, as_json, "\n".join(lines))
    if ended["failed"] or ended["cancelled"]:
        raise typer.Exit(1)


def _request(
    sequence: "TrackedSequence", identity: str, media: Path | None, tool: str, track_length: int
) -> ImportRequest:
    from workers.importing.sequences import EXPORTS, VIEWS_APART, longest_reach
    from workers.mining.recipe import Mining

    usual = VIEWS_APART if sequence.format == "pictures" else Mining().track_length
    if sequence.format in EXPORTS:
        usual = longest_reach(sequence)
    return ImportRequest(
        path=str(sequence.source),
        name=sequence.name,
        format=sequence.format,
        video=identity,
        media=str(media or ""),
        tool=tool,
        track_length=track_length or usual,
    )
