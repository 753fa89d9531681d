"""Search through the index and beside it: new vectors are found before they are indexed, deleted ones never."""

from pathlib import Path

import numpy as np

from api.http.patch_files import PatchFiles
from api.http.similar_patches import SimilarPatches
from graph.settings import Settings
from graph.shards import Shards
from graph.vectors.build import update_index
from graph.vectors.index import index_folder
from graph.vectors.selection import Selection

WIDTH = 32


def test_vectors_inside_and_outside_the_index(tmp_path: Path) -> None:
    shards, settings = Shards(str(tmp_path / "data")), Settings(home=tmp_path)
    random = np.random.default_rng(2)
    vectors: dict[str, np.ndarray] = {}

    def add(video: str, count: int) -> None:
        rows = random.normal(size=(count, WIDTH)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = [f"{int(video):08x}{n:08x}" for n in range(count)]
        shards.write_vectors(f"embeddings/m/{video}", ids, rows)
        vectors.update(zip(ids, rows, strict=True))

    for number in range(1, 12):
        add(str(number), 2000)
    files = PatchFiles(shards)
    similar = SimilarPatches(files, settings)
    assert similar.index("m") is None
    assert similar.uncovered("m") == 11
    manifest = update_index(shards, "m", index_folder(settings, "m"), lambda *_: None)
    assert manifest is not None
    add("20", 50)
    shards.delete("embeddings/m/3")
    files = PatchFiles(shards)
    similar = SimilarPatches(files, settings)
    assert similar.uncovered("m") == 1
    alive = [patch for patch in vectors if not patch.startswith(f"{3:08x}")]
    matrix = np.stack([vectors[patch] for patch in alive])
    hits = 0
    questions = [f"{20:08x}{n:08x}" for n in range(50)]
    for question in questions:
        expected = {alive[row] for row in np.argsort(-(matrix @ vectors[question]))[1:11]}
        found = similar.search("m", vectors[question], 10, Selection(without_patch=question))
        assert [cosine for _, _, cosine in found] == sorted((c for _, _, c in found), reverse=True)
        assert "3" not in {video for _, video, _ in found}
        newest = {patch for patch in expected if patch.startswith(f"{20:08x}")}
        assert newest <= {patch for patch, _, _ in found}
        hits += len(expected & {patch for patch, _, _ in found})
    assert hits / (10 * len(questions)) >= 0.9
    marked = frozenset(patch for question in questions for patch, _, _ in similar.search("m", vectors[question], 3))
    without = SimilarPatches(files, settings, lambda: marked)
    for question in questions:
        assert not marked & {patch for patch, _, _ in without.search("m", vectors[question], 10)}


def test_a_video_deleted_after_the_folder_was_listed_is_left_out(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path / "data"))
    for video in ("1", "2"):
        shards.write_vectors(f"embeddings/m/{video}", [video * 16], np.eye(1, WIDTH, dtype=np.float32))
    similar = SimilarPatches(PatchFiles(shards), Settings(home=tmp_path))
    assert similar.uncovered("m") == 2
    shards.delete("embeddings/m/2")
    assert similar.search("m", np.eye(1, WIDTH, dtype=np.float32)[0], 5) == [("1" * 16, "1", 1.0)]
