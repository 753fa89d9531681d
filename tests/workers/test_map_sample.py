"""The embeddings that a map is made from: all of them, or a sample, each with its patch and video."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from graph.errors import Cancelled, NotFound
from graph.records import no_progress
from graph.shards import Shards
from workers.stages.layout import umap_isolated
from workers.stages.map import read_sample


@pytest.mark.parametrize(("most", "expected"), [(100, 12), (12, 12), (5, 5)])
def test_each_row_is_that_of_its_patch_and_video(tmp_path: Path, most: int, expected: int) -> None:
    shards = Shards(str(tmp_path))
    numbers = iter(range(12))
    videos = {"a": 5, "b": 0, "c": 7}
    for video, count in videos.items():
        own = [next(numbers) for _ in range(count)]
        shards.write_vectors(
            f"embeddings/m/{video}", [f"{n:016x}" for n in own], np.array(own, np.float32).reshape(-1, 1).repeat(3, 1)
        )
    ids, owners, vectors = read_sample(shards, "m", most, no_progress)
    assert len(set(ids.tolist())) == expected
    np.testing.assert_array_equal(vectors, ids.astype(np.float32)[:, None].repeat(3, 1))
    np.testing.assert_array_equal(owners, np.where(ids < 5, 0, 2))


def test_a_model_without_embeddings_has_no_sample(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no embeddings of model m"):
        read_sample(Shards(str(tmp_path)), "m", 5, no_progress)


def test_a_cancelled_layout_ends_its_child() -> None:
    def cancel(stage: str, done: int, total: int, unit: str) -> None:
        raise Cancelled(stage)

    before = set(psutil.Process().children())
    with pytest.raises(Cancelled, match="laying out"):
        umap_isolated(np.eye(20, dtype=np.float32), cancel)
    assert set(psutil.Process().children()) <= before
