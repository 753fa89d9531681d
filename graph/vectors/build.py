"""Building of vector indexes: a whole index beside the old one, or one more segment for new videos.

    shards ──read once──▸ vectors.f16 ──sample──▸ components, lists ──blocks──▸ inverted.faiss ──questions──▸ recall

The manifest is written last, so a killed build leaves the old index unchanged; the next build deletes the remains.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from graph.errors import NotFound, StorageError
from graph.nearest import InvertedFile, nearest_by_cosine
from graph.records import Progress
from graph.shards import Shards
from graph.vectors.index import VectorIndex
from graph.vectors.manifest import Manifest, read_manifest, write_manifest
from graph.vectors.segment import EXACT_ROWS, Segment
from graph.vectors.selection import Selection

LEAST_ROWS = EXACT_ROWS  # fewer vectors are compared directly, without an index
MOST_SEGMENTS = 8
WANTED_RECALL = 0.97  # of the ten nearest, at the time of building; 0.95 is promised
_COMPONENTS = (128, 256, 512)  # tried in this order until the wanted recall is reached
_VISITED = (8, 16, 32, 64, 128, 256)
_QUESTIONS = 200
_BLOCK = 65_536
_SAMPLE_OF_LIST = 40  # vectors per list for training its centre; faiss requires 39


def update_index(shards: Shards, model: str, folder: Path, progress: Progress) -> Manifest | None:
    """Update a model's index from its shards; returns None if it has too few vectors to need an index.

    New videos become a segment. The index is rebuilt when it has `MOST_SEGMENTS`, when it has four times the
    vectors for which its lists were made, or when a quarter of its vectors belong to deleted videos. Raises
    `StorageError` when the disk is full.
    """
    manifest = read_manifest(folder)
    _remove_leftovers(folder, manifest)
    try:
        return _update(shards, model, folder, manifest, progress)
    except (OSError, RuntimeError) as error:  # faiss raises RuntimeError when it cannot write
        _remove_leftovers(folder, manifest)
        raise StorageError(
            f"The index in {folder} could not be written ({error}). Free some space and embed again; "
            "until then searches read every vector."
        ) from error


def _update(shards: Shards, model: str, folder: Path, manifest: Manifest | None, progress: Progress) -> Manifest | None:
    versions = shards.versions(f"embeddings/{model}")
    index = VectorIndex.open(folder)
    if index is None or manifest is None:
        return _rebuild(shards, model, folder, versions, progress)
    plan = index.plan(versions)
    new = {video: versions[video] for video in plan.uncovered}
    alive = sum(segment.count(current) for segment, current in zip(index.segments, plan.current, strict=True))
    crowded = bool(new) and len(index.segments) >= MOST_SEGMENTS
    if crowded or manifest.rows >= 4 * manifest.trained_rows or alive < 0.75 * manifest.rows:
        return _rebuild(shards, model, folder, versions, progress)
    if not new:
        return manifest
    name = f"segment-{uuid4().hex[:12]}"
    rows = _collect(shards, model, folder / name, new, progress)
    inverted = InvertedFile.load(folder / manifest.segments[0] / "trained.faiss")
    _fill(folder / name, inverted, rows, manifest.dimension, progress)
    manifest = manifest.with_segment(name, rows)
    write_manifest(folder, manifest)
    return manifest


def _rebuild(
    shards: Shards, model: str, folder: Path, versions: Mapping[str, str], progress: Progress
) -> Manifest | None:
    name = f"segment-{uuid4().hex[:12]}"
    target = folder / name
    rows = 0
    if _are_enough(shards, model, versions):
        rows = _collect(shards, model, target, versions, progress)
    if rows < LEAST_ROWS:
        (folder / "manifest.json").unlink(missing_ok=True)
        _remove_leftovers(folder, None)
        return None
    dimension = (target / "vectors.f16").stat().st_size // (2 * rows)
    vectors = np.memmap(target / "vectors.f16", np.float16, "r", shape=(rows, dimension))
    lists = list_count(rows)
    random = np.random.default_rng(rows)
    chosen = np.sort(random.choice(rows, min(rows, _SAMPLE_OF_LIST * lists), replace=False))
    sample = vectors[chosen].astype(np.float32)
    asked = vectors[np.sort(random.choice(rows, _QUESTIONS, replace=False))].astype(np.float32)
    tenth = _tenth_cosine(vectors, asked)
    for components in _COMPONENTS:
        progress("training the index", 0, 0, "")
        inverted = InvertedFile.train(sample, components, lists)
        inverted.save(target / "trained.faiss")
        _fill(target, inverted, rows, dimension, progress)
        visited, recall = _measure(Segment.open(target, dimension), asked, tenth)
        if recall >= WANTED_RECALL or components >= dimension:
            break
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(dimension, (name,), rows, rows, min(components, dimension), lists, visited, recall, now)
    write_manifest(folder, manifest)
    _remove_leftovers(folder, manifest)
    return manifest


def _are_enough(shards: Shards, model: str, versions: Mapping[str, str]) -> bool:
    """Return whether the shards have `LEAST_ROWS` vectors together; only the footers of some of them are read."""
    rows = 0
    for video in versions:
        with suppress(NotFound):  # the video was deleted in the meantime
            rows += shards.count_rows(f"embeddings/{model}/{video}")
        if rows >= LEAST_ROWS:
            return True
    return False


def list_count(rows: int) -> int:
    """Return the number of lists for this number of rows: the power of two nearest to 4·√rows (faiss' guideline)."""
    return int(1 << round(np.log2(4 * np.sqrt(rows))))


def _collect(shards: Shards, model: str, target: Path, versions: Mapping[str, str], progress: Progress) -> int:
    """Write the rows of the videos' shards in sequence; returns their number."""
    target.mkdir(parents=True)
    keys: list[NDArray[np.uint64]] = []
    starts = [0]
    names = sorted(versions)
    with (target / "vectors.f16").open("wb") as file:
        for done, video in enumerate(names):
            try:
                ids, vectors = shards.read_vectors(f"embeddings/{model}/{video}")
            except NotFound:  # the video was deleted in the meantime
                ids, vectors = [], np.empty((0, 0), np.float16)
            file.write(np.ascontiguousarray(vectors, np.float16).data)
            keys.append(np.array([int(text, 16) for text in ids], np.uint64))
            starts.append(starts[-1] + len(ids))
            progress("collecting vectors", done + 1, len(names), "videos")
    together = np.concatenate([np.empty(0, np.uint64), *keys])
    np.savez(
        target / "rows.npz",
        keys=together,
        order=np.argsort(together, kind="stable"),
        videos=np.array(names, str),
        versions=np.array([versions[video] for video in names], str),
        starts=np.array(starts, np.int64),
    )
    return starts[-1]


def _fill(target: Path, inverted: InvertedFile, rows: int, dimension: int, progress: Progress) -> None:
    """Add a segment's vectors to a trained inverted file, and save it."""
    vectors = np.memmap(target / "vectors.f16", np.float16, "r", shape=(rows, dimension)) if rows else np.empty((0, 1))
    for start in range(0, rows, _BLOCK):
        inverted.add(vectors[start : start + _BLOCK].astype(np.float32))
        progress("filling the index", min(start + _BLOCK, rows), rows, "vectors")
    inverted.save(target / "inverted.faiss")


def _tenth_cosine(vectors: NDArray[np.float16], asked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (Q,) cosines of each question's tenth nearest row besides itself, over all vectors, by blocks."""
    best = np.full((len(asked), 0), -1, np.float32)
    for start in range(0, len(vectors), _BLOCK):
        _, cosines = nearest_by_cosine(vectors[start : start + _BLOCK].astype(np.float32), asked, 11)
        best = np.sort(np.hstack([best, cosines]), axis=1)[:, ::-1][:, :11]
    return best[:, -1]


def _measure(segment: Segment, asked: NDArray[np.float32], tenth: NDArray[np.float32]) -> tuple[int, float]:
    """Return the fewest lists to visit that reach the required recall (or the most that were tried), and the recall.

    The questions are rows of the segment; a match with itself does not count. An answer is right if it is no
    farther than the tenth nearest row, so equal pictures do not count as errors.
    """
    everything = frozenset(segment.videos)
    visited, recall = _VISITED[0], 0.0
    for visited in _VISITED:
        right = 0
        for question, least in zip(asked, tenth, strict=True):
            found = segment.search(question, 11, everything, Selection(), visited)
            right += sum(cosine >= least - 1e-5 for _, _, cosine in found[1:])
        recall = right / (10 * len(asked))
        if recall >= WANTED_RECALL:
            break
    return visited, recall


def _remove_leftovers(folder: Path, manifest: Manifest | None) -> None:
    """Delete segments that no manifest names: those of replaced indexes and of killed builds.

    A process that has such a segment open can still use it, because its files are memory-mapped.
    """
    kept = set(manifest.segments) if manifest else set()
    for path in folder.glob("segment-*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
