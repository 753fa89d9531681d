"""A model and a source, or a folder of labelled pictures, come in; the tables of `transitive evaluate` go out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.errors import InvalidInput
from graph.records import Progress, no_progress
from training.batches import Links
from training.encoder import Encoder
from training.evaluation.health import HealthSet, health
from training.evaluation.retrieval import draw_neighbours, labelled_images, retrieval
from training.heldout import MOST_DISTRACTORS, health_set
from training.source import PatchTable, TrainingSource

_READ = 512


def _vectors(encoder: Encoder, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.floating]]:
    out: dict[str, NDArray[np.floating]] = {"pool5": encoder.pool5(pictures)}
    if encoder.model.embedding_dim:
        out["embedding"] = encoder.embed(pictures)
    return out


def health_tracks(source: TrainingSource) -> tuple[PatchTable, HealthSet]:
    """Return every patch, and the tracks to measure; raises `InvalidInput` where no held-out video has two."""
    table = source.table()
    tracks = health_set(table, Links(table, source), distractors=MOST_DISTRACTORS)
    if tracks.tracks < 2:
        raise InvalidInput("No held-out video has tracks to measure. Ingest more videos (three at least), link again.")
    return table, tracks


def evaluate_health(
    encoder: Encoder, source: TrainingSource, progress: Progress = no_progress
) -> dict[str, dict[str, float]]:
    """Measure all tracks of held-out videos, without labels: {"pool5": numbers, "embedding": numbers}.

    Ends of the training videos' tracks stand in their way, so that recall tells more than who is in this small set.

    Raises `InvalidInput` where no held-out video has two tracks.
    """
    table, tracks = health_tracks(source)
    parts: dict[str, list[NDArray[np.floating]]] = {}
    for first in range(0, len(tracks.rows), _READ):
        some = [table.ids[row] for row in tracks.rows[first : first + _READ]]
        for name, vectors in _vectors(encoder, encoder.decode(source.images(some))).items():
            parts.setdefault(name, []).append(vectors)
        progress("evaluate health", min(first + _READ, len(tracks.rows)), len(tracks.rows), "patches")
    return {name: health(np.concatenate(vectors), tracks) for name, vectors in parts.items()}


def evaluate_retrieval(encoder: Encoder, folder: Path, picture: Path | None = None) -> dict[str, dict[str, float]]:
    """Measure nearest neighbours over a folder of labelled pictures, and draw figure 7 to `picture`."""
    pictures, labels, _ = labelled_images(folder)
    vectors = _vectors(encoder, pictures)
    if picture is not None:
        draw_neighbours(pictures, list(vectors.items()), labels, picture)
    return {name: retrieval(matrix, labels) for name, matrix in vectors.items()}
