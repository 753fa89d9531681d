"""The map stage: positions of a model's embeddings in two dimensions, by UMAP.

models/<id>/map.npy      one row per patch: id, x, y, and the number of its video (see `MAP_ROW`)

`layout.py` runs UMAP. Embeddings are first projected onto their
principal directions, because distances in 1,024 dimensions would take most of UMAP's time.
"""

import io

import numpy as np
from numpy.typing import NDArray

from graph.atomic_write import atomic_write
from graph.errors import NotFound
from graph.models import get_model
from graph.records import Progress, no_progress
from graph.shards import Shards
from training.model_folder import MAP
from workers.requests import MapRequest
from workers.stage_context import StageContext
from workers.stages.layout import NEIGHBOURS, SEED, umap_isolated

MAP_ROW = np.dtype([("id", "<u8"), ("x", "<f4"), ("y", "<f4"), ("video", "<u4"), ("spare", "<u4")])
MOST = 100_000  # maximum of patches on a map; larger collections are sampled
DIRECTIONS = 50


def make_map(context: StageContext, request: MapRequest, progress: Progress) -> str:
    """Compute the map of a model and write it to the model's folder; returns the model's id.

    Raises `NotFound` for an unknown model and for a model without embeddings.
    """
    model = get_model(context.connection, request.model)
    ids, videos, vectors = read_sample(context.shards, model.id, MOST, progress)
    rows = np.zeros(len(ids), MAP_ROW)
    rows["id"], rows["video"] = ids, videos
    progress("projecting", 0, 0, "patches")
    projected = principal(vectors, DIRECTIONS)
    places = lay_out(projected, progress)
    rows["x"], rows["y"] = places[:, 0], places[:, 1]
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    folder = context.models / model.id
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / MAP, buffer.getvalue())
    progress("laying out", len(ids), len(ids), "patches")
    return model.id


def read_sample(
    shards: Shards, model: str, most: int, progress: Progress
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.float32]]:
    """Read ids, video numbers and (N, E) embeddings of all patches, or of a random sample of `most` of them.

    Memory holds the sample and one video's vectors. Raises `NotFound` for a model without embeddings.
    """
    folder = f"embeddings/{model}"
    names = shards.names(folder)
    counts = [shards.count_rows(f"{folder}/{name}") for name in names]
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    total = int(starts[-1])
    if not total:
        raise NotFound(f"There are no embeddings of model {model}. Compute them first.")
    chosen = np.arange(total)
    if total > most:
        chosen = np.sort(np.random.default_rng(SEED).choice(total, most, replace=False))
    ids: list[NDArray[np.uint64]] = []
    owners: list[NDArray[np.uint32]] = []
    vectors: list[NDArray[np.float32]] = []
    for number, rows in enumerate(np.split(chosen, np.searchsorted(chosen, starts[1:-1]))):
        progress("reading embeddings", number, len(names), "videos")
        if not len(rows):
            continue
        patches, own = shards.read_vectors(f"{folder}/{names[number]}")
        rows = rows - starts[number]
        ids.append(np.array([int(patches[row], 16) for row in rows.tolist()], np.uint64))
        owners.append(np.full(len(rows), number, np.uint32))
        vectors.append(own[rows].astype(np.float32, copy=False))
    return np.concatenate(ids), np.concatenate(owners), np.concatenate(vectors)


def principal(vectors: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return (N, E) vectors projected onto their `most` principal directions, or fewer if N or E is smaller."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ directions[:, ::-1][:, : min(most, *vectors.shape)], np.float32)


def lay_out(vectors: NDArray[np.float32], progress: Progress = no_progress) -> NDArray[np.float32]:
    """Return positions of N vectors in two dimensions, (N, 2) in -1..1. The result is deterministic.

    UMAP starts from the first two principal directions. For too few patches, these two directions are the result.
    """
    count = len(vectors)
    places = np.zeros((count, 2), np.float32)
    places[:, : min(2, vectors.shape[1])] = vectors[:, :2]
    if count > NEIGHBOURS:
        places = umap_isolated(vectors, progress)
    places = places - places.mean(axis=0)
    return np.asarray(places / max(float(np.abs(places).max()), 1e-9), np.float32)
