"""The contents of the report as plain values, gathered from the graph, the files and the times of the stages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.report import closeness
from api.report.closeness import Track, Vectors
from api.report.curve import draw, read_losses
from api.report.pictures import Picture, Pictures
from graph.connection import Connection
from graph.errors import NotFound
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.queries import clusters, quadruples
from graph.queries.browser_style import example_queries
from graph.queries.counts import graph_counts
from graph.queries.tracks import all_tracks
from graph.records import Model
from graph.shards import Shards
from training.journal import read_log

_QUADRUPLES_SHOWN = 12
_CHILDREN_SHOWN = 8
_QUERIES_SHOWN = 6
_NEIGHBOURS_SHOWN = 6
_ENOUGH_TRACKS = 100  # with fewer held-out tracks the page warns that its shares are noisy


@dataclass(frozen=True)
class ReportInput:
    """The inputs of a report."""

    connection: Connection
    shards: Shards
    models: Path  # folder of models
    context: Model  # the network before: its pool5 made the links
    trained: Model  # the network after: its embedding
    stages: Mapping[str, float]  # seconds
    addresses: Mapping[str, str]
    pages: str  # base address of the patches' pages
    notes: Sequence[str]  # what the preset changed, in words


def gather(report: ReportInput) -> dict[str, Any]:
    """Return the contents of report.json; `graph` has the names of `transitive status --json`."""
    generation = catalogue.require_generation(report.connection)
    tracks = _tracks(report.connection, generation)
    order = [*generation.held_out, *(video for video in generation.videos if video not in generation.held_out)]
    before = closeness.load_vectors(report.shards, f"features/{report.context.id}", order)
    after = closeness.load_vectors(report.shards, f"embeddings/{report.trained.id}", order)
    counted = quadruples.count_quadruples(report.connection, generation.id)
    health = {
        "before (pool5 of the start)": closeness.closer_share(before, tracks),
        "after (embedding)": closeness.closer_share(after, tracks),
    }
    rise = closeness.gain(before, after, tracks)
    return {
        "graph": asdict(graph_counts(report.connection)),
        "positives": {
            "intra_instance (A–A', B–B')": counted.intra_instance,
            "inter_instance (A–B)": counted.a_b,
            "transitive (A–B', A'–B, A'–B')": counted.transitive,
        },
        "quadruples_for_training": counted.training,
        "generation": generation.id,
        "held_out_videos": list(generation.held_out),
        "linking": {"parameters": dict(generation.parameters), "quality": dict(generation.quality)},
        "models": {"before": asdict(report.context), "after": asdict(report.trained)},
        "seconds": {name: round(seconds, 1) for name, seconds in report.stages.items()},
        "health": health,
        "gain": rise,
        "learned": verdict(rise, bool(generation.held_out)),
        "alarms": [str(line["alarm"]) for line in read_log(report.models / report.trained.id) if "alarm" in line],
        "few_tracks": min(found["tracks"] for found in health.values()) < _ENOUGH_TRACKS,
        "loss": read_losses(report.models / report.trained.id),
        "notes": list(report.notes),
        "addresses": dict(report.addresses),
        "cypher": [{"title": one.title, "query": one.cypher} for one in example_queries(generation.id)],
    }


def verdict(rise: Mapping[str, float], held_out: bool) -> str:
    """Return the sentence that says whether a held-out measure rose by more than its interval."""
    if not rise:
        return "Nothing could be compared, so whether anything was learned is not known."
    where = "of the held-out videos" if held_out else "of the training videos (none is held out)"
    change = (
        f"The share of a track {where} changed by {100 * rise['gain']:+.1f} points "
        f"(95 % interval {100 * rise['low']:+.1f} to {100 * rise['high']:+.1f})"
    )
    if rise["low"] > 0:
        return f"{change}: better by more than the interval."
    if rise["high"] < 0:
        return f"{change}: worse by more than the interval. This training did harm."
    return f"{change}: no change that can be distinguished from chance."


def illustrate(report: ReportInput) -> dict[str, Any]:
    """Return the pictures of the page: rows of pictures of patches, and the loss curves as SVG."""
    generation = catalogue.require_generation(report.connection)
    pictures = Pictures(report.connection, report.shards, report.pages)
    before = closeness.load_vectors(report.shards, f"features/{report.context.id}", generation.videos)
    after = closeness.load_vectors(report.shards, f"embeddings/{report.trained.id}", generation.videos)
    return {
        "quadruples": _quadruple_rows(report.connection, generation, pictures),
        "children": _child_rows(report.connection, pictures),
        "neighbours": _neighbour_rows(report.connection, generation, pictures, before, after),
        "curves": [
            {
                "title": f"{model.recipe} ({model.preset})",
                "svg": draw(read_losses(report.models / model.id), model.recipe),
            }
            for model in (report.context, report.trained)
        ],
    }


def _tracks(connection: Connection, generation: Generation) -> list[Track]:
    held_out = set(generation.held_out)
    return [
        Track(track.start, end, track.parent, track.video in held_out)
        for track in all_tracks(connection, generation.id)
        for end in track.ends
    ]


def _quadruple_rows(connection: Connection, generation: Generation, pictures: Pictures) -> list[list[Picture]]:
    """Draw a random sample of quadruples, those with a held-out video last."""
    rows: list[list[Picture]] = []
    for held_out in (False, True):
        for batch in quadruples.stream(connection, generation.id, seed=0, held_out=held_out):
            for one in batch:
                if len(rows) == _QUADRUPLES_SHOWN:
                    return rows
                rows.append(pictures.row([one.a, one.a_prime, one.b, one.b_prime]))
    return rows


def _child_rows(connection: Connection, pictures: Pictures) -> list[dict[str, Any]]:
    """Draw child clusters of the largest parents, at most two of each parent."""
    try:
        parents = sorted(clusters.list_parents(connection), key=lambda parent: -parent.size)
    except NotFound:
        return []
    rows: list[dict[str, Any]] = []
    for parent in parents:
        for child in clusters.list_children(connection, parent, limit=2):
            if len(rows) < _CHILDREN_SHOWN:
                rows.append({"parent": parent.id, "size": parent.size, "pictures": pictures.row(child)})
    return rows


def _neighbour_rows(
    connection: Connection, generation: Generation, pictures: Pictures, before: Vectors, after: Vectors
) -> list[dict[str, Any]]:
    """Choose the starts of tracks, one of each video and held-out ones first, and draw their nearest neighbours."""
    asked: list[str] = []
    seen: set[str] = set()
    tracks = sorted(_tracks(connection, generation), key=lambda track: (not track.held_out, track.start))
    known = before.rows().keys() & after.rows().keys()
    pictures.know(track.start for track in tracks if track.start in known)
    for track in tracks:
        if track.start in known and pictures.video(track.start) not in seen and len(asked) < _QUERIES_SHOWN:
            seen.add(pictures.video(track.start))
            asked.append(track.start)
    return [
        {
            "query": pictures.row([patch])[0],
            "before": pictures.row(closeness.nearest(before, patch, _NEIGHBOURS_SHOWN)),
            "after": pictures.row(closeness.nearest(after, patch, _NEIGHBOURS_SHOWN)),
        }
        for patch in asked
    ]
