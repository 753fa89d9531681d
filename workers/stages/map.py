"""The map stage: positions of a model's embeddings in two dimensions, by UMAP.

models/<id>/map.npy      one row per patch: id, x, y, and the number of its video (see `MAP_ROW`)

UMAP: McInnes, Healy, Melville 2018, https://arxiv.org/abs/1802.03426. Embeddings are first projected onto their
principal directions, because distances in 1,024 dimensions would take most of UMAP's time.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.atomic_write import atomic_write
from graph.errors import NotFound
from graph.models import get_model
from graph.records import Progress
from training.model_folder import MAP
from workers.requests import MapRequest
from workers.stage_context import StageContext

MAP_ROW = np.dtype([("id", "<u8"), ("x", "<f4"), ("y", "<f4"), ("video", "<u4"), ("spare", "<u4")])
MOST = 100_000  # maximum of patches on a map; larger collections are sampled
DIRECTIONS = 50
NEIGHBOURS = 15  # UMAP's default
SEED = 0


def make_map(context: StageContext, request: MapRequest, progress: Progress) -> str:
    """Compute the map of a model and write it to the model's folder; returns the model's id.

    Raises `NotFound` for an unknown model and for a model without embeddings.
    """
    model = get_model(context.connection, request.model)
    ids, videos, vectors = _read(context, model.id, progress)
    rows = np.zeros(len(ids), MAP_ROW)
    rows["id"], rows["video"] = ids, videos
    progress("projecting", 0, 0, "patches")
    projected = principal(vectors, DIRECTIONS)
    progress("laying out (this step cannot be cancelled)", 0, 0, "patches")
    places = lay_out(projected)
    rows["x"], rows["y"] = places[:, 0], places[:, 1]
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    folder = context.models / model.id
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / MAP, buffer.getvalue())
    progress("laying out", len(ids), len(ids), "patches")
    return model.id


def _read(
    context: StageContext, model: str, progress: Progress
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.float32]]:
    """Read ids, video numbers and (N, E) embeddings of at most `MOST` patches."""
    folder = f"embeddings/{model}"
    names = context.shards.names(folder)
    ids: list[NDArray[np.uint64]] = []
    owners: list[NDArray[np.uint32]] = []
    vectors: list[NDArray[np.float32]] = []
    for number, (_, patches, rows) in enumerate(context.shards.all_vectors(folder)):
        progress("reading embeddings", number, len(names), "videos")
        ids.append(np.array([int(patch, 16) for patch in patches], np.uint64))
        owners.append(np.full(len(patches), number, np.uint32))
        vectors.append(rows.astype(np.float32, copy=False))
    if not sum(map(len, ids)):
        raise NotFound(f"There are no embeddings of model {model}. Compute them first.")
    all_ids, all_owners = np.concatenate(ids), np.concatenate(owners)
    chosen = np.arange(len(all_ids))
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(SEED).choice(chosen, MOST, replace=False))
    return all_ids[chosen], all_owners[chosen], np.concatenate([v for v in vectors if len(v)])[chosen]


def principal(vectors: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return (N, E) vectors projected onto their `most` principal directions, or fewer if N or E is smaller."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ directions[:, ::-1][:, : min(most, *vectors.shape)], np.float32)


def lay_out(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return positions of N vectors in two dimensions, (N, 2) in -1..1. The result is deterministic.

    UMAP starts from the first two principal directions. For too few patches, these two directions are the result.
    """
    count = len(vectors)
    places = np.zeros((count, 2), np.float32)
    places[:, : min(2, vectors.shape[1])] = vectors[:, :2]
    if count > NEIGHBOURS:
        places = _umap(vectors)
    places = places - places.mean(axis=0)
    return np.asarray(places / max(float(np.abs(places).max()), 1e-9), np.float32)


def _umap(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import umap  # imported here, because its compiler takes seconds to load

    model: Any = umap.UMAP(n_neighbors=NEIGHBOURS, min_dist=0.1, init="pca", random_state=SEED, n_jobs=1)
    return np.asarray(model.fit_transform(vectors), np.float32)
