"""The measurements of `transitive evaluate` and `compare`: held-out tracks, kinds of objects, labelled pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.records import Progress, no_progress
from training.encoders import PatchEncoder
from training.evaluation.growth import Measured
from training.evaluation.kinds import known_starts, neighbours_by_kind
from training.evaluation.retrieval import draw_neighbours, labelled_pictures, retrieval
from training.held_out import MOST_DISTRACTORS, choose_held_out_tracks
from training.held_out_metrics import HeldOutTracks, end_ranks, held_out_metrics
from training.links import Links
from training.source import PatchTable, TrainingSource

_READ = 512  # patches read from the source at once
_BATCH = 64  # pictures encoded between two reports of progress, at each of which Ctrl-C ends the work


def _vectors(
    encoder: PatchEncoder, pictures: NDArray[np.uint8], encoded: Callable[[int], None]
) -> dict[str, NDArray[np.floating]]:
    """Encode pictures (N, 96, 96, 3) to pool5 and, if the model has one, the embedding; reports the number done."""
    parts: dict[str, list[NDArray[np.floating]]] = {}
    for first in range(0, len(pictures), _BATCH):
        some = pictures[first : first + _BATCH]
        parts.setdefault("pool5", []).append(encoder.pool5(some))
        if encoder.model.embedding_dim:
            parts.setdefault("embedding", []).append(encoder.embed(some))
        encoded(first + len(some))
    return {name: np.concatenate(vectors) for name, vectors in parts.items()}


def require_held_out_tracks(source: TrainingSource) -> tuple[PatchTable, HeldOutTracks]:
    """Return every patch, and the tracks to measure; raises `InvalidInput` if there are fewer than two."""
    table = source.table()
    tracks = choose_held_out_tracks(table, Links(table, source), distractors=MOST_DISTRACTORS)
    if tracks.count < 2:
        raise InvalidInput(
            "No held-out video has tracks to measure. Ingest more videos (at least three), then link again."
        )
    return table, tracks


def evaluate_held_out(
    encoder: PatchEncoder, source: TrainingSource, progress: Progress = no_progress
) -> dict[str, dict[str, float]]:
    """Measure all tracks of held-out videos, without labels: {"pool5": metrics, "embedding": metrics}.

    Ends of the training videos' tracks are distractors, because recall among the few held-out tracks alone is easy.
    Raises `InvalidInput` if no held-out video has two tracks.
    """
    table, tracks = require_held_out_tracks(source)
    encoded = _encode_rows(encoder, source, table, tracks.rows, "evaluate health", progress)
    return {name: held_out_metrics(vectors, tracks) for name, vectors in encoded.items()}


def measure_round(encoder: PatchEncoder, source: TrainingSource, progress: Progress = no_progress) -> Measured:
    """Measure pool5 on all tracks of held-out videos for `growth.grow`; raises `InvalidInput` without two tracks."""
    table, tracks = require_held_out_tracks(source)
    vectors = _encode_rows(encoder, source, table, tracks.rows, "evaluate health", progress)["pool5"]
    return Measured(held_out_metrics(vectors, tracks), end_ranks(vectors, tracks))


def evaluate_by_kind(
    encoder: PatchEncoder, source: TrainingSource, kinds: Sequence[str], progress: Progress = no_progress
) -> dict[str, dict[str, float]]:
    """Measure how often the nearest track of another video shows the same kind; held-out videos are the queries.

    `kinds` are the kinds of the objects by the video's number in the source's table, "" if one is not known; they
    are read for this measure only. Returns {"pool5": measures, "embedding": measures}; no measures if no held-out
    video has a kind that another video shows.
    """
    table = source.table()
    rows = known_starts(table, kinds)
    if not table.held_out[rows].any():
        return {}
    kind, video = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)[1], table.video[rows]
    encoded = _encode_rows(encoder, source, table, rows, "evaluate kinds", progress)
    found = {
        name: neighbours_by_kind(vectors, kind[video].astype(np.int64), video, table.held_out[rows])
        for name, vectors in encoded.items()
    }
    return {name: measures for name, measures in found.items() if measures}


def _encode_rows(
    encoder: PatchEncoder,
    source: TrainingSource,
    table: PatchTable,
    rows: NDArray[np.int64],
    stage: str,
    progress: Progress,
) -> dict[str, NDArray[np.floating]]:
    """Return the vectors of (N,) rows of the table: pool5 and, where the model has one, the embedding."""
    parts: dict[str, list[NDArray[np.floating]]] = {}
    for first in range(0, len(rows), _READ):
        some = [table.ids[row] for row in rows[first : first + _READ]]

        def encoded(done: int, before: int = first) -> None:
            progress(stage, before + done, len(rows), "patches")

        for name, vectors in _vectors(encoder, encoder.decode(source.patch_jpegs(some)), encoded).items():
            parts.setdefault(name, []).append(vectors)
    return {name: np.concatenate(vectors) for name, vectors in parts.items()}


def evaluate_retrieval(
    encoder: PatchEncoder, folder: Path, picture: Path | None = None, progress: Progress = no_progress
) -> dict[str, dict[str, float]]:
    """Measure nearest neighbours among a folder of labelled pictures, and draw figure 7 to the file `picture`."""
    pictures, labels, _ = labelled_pictures(folder)
    vectors = _vectors(encoder, pictures, lambda done: progress("evaluate retrieval", done, len(pictures), "pictures"))
    if picture is not None:
        draw_neighbours(pictures, list(vectors.items()), labels, picture)
    return {name: retrieval(matrix, labels) for name, matrix in vectors.items()}
