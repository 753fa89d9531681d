"""Tests of shards: complete or absent, exact, and clear errors for damaged ones."""

from pathlib import Path

import numpy as np
import pytest

from graph.errors import NotFound, StorageError
from graph.shards import Shards


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_vectors_come_back_bit_for_bit_in_order(tmp_path: Path, dtype: type) -> None:
    vectors = np.random.default_rng(1).normal(size=(7, 33)).astype(dtype)
    ids = [f"{i:016x}" for i in range(7)]
    shards = Shards(str(tmp_path))
    shards.write_vectors("features/model/video", ids, vectors)
    read_ids, read = shards.read_vectors("features/model/video")
    assert read_ids == ids
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, vectors)
    assert [(n, i) for n, i, _ in shards.all_vectors("features/model")] == [("video", ids)]


def test_a_shard_of_no_vectors_keeps_its_width(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    shards.write_vectors("features/m/v", [], np.empty((0, 5), np.float16))
    ids, vectors = shards.read_vectors("features/m/v")
    assert (ids, vectors.shape) == ([], (0, 5))


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    for value in (b"one", b"two"):
        shards.write_rows("frames/video", {"frame": [0], "jpeg": [value]})
    assert shards.read("frames/video")["jpeg"].to_pylist() == [b"two"]
    assert [p.name for p in (tmp_path / "frames").iterdir()] == ["video.parquet"]


def test_missing_and_cut_short_shards_are_told_apart(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    with pytest.raises(NotFound, match="missing"):
        shards.read("patches/nowhere")
    shards.write_rows("patches/video", {"id": ["a"], "jpeg": [b"x" * 1000]})
    path = Path(shards.path("patches/video"))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StorageError, match="cannot be read"):
        shards.read("patches/video")


def test_a_wrong_number_of_ids_writes_nothing(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    with pytest.raises(StorageError, match="2 vectors for 1 ids"):
        shards.write_vectors("features/m/v", ["a"], np.ones((2, 3), np.float32))
    assert not shards.exists("features/m/v")


def test_deleting_twice_is_fine(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))
    shards.write_rows("frames/v", {"frame": [1], "jpeg": [b""]})
    shards.delete("frames/v")
    shards.delete("frames/v")
    assert shards.names("frames") == []


def test_the_same_through_another_filesystem() -> None:
    shards = Shards("memory://transitive-test")
    shards.write_vectors("embeddings/m/v", ["a"], np.ones((1, 4), np.float32))
    assert shards.names("embeddings/m") == ["v"]
    assert shards.read_vectors("embeddings/m/v")[0] == ["a"]
    assert shards.names("embeddings/none") == []
