"""Tests of features: read from shards in the requested order, complete or refused, and normalised to length 1."""

from pathlib import Path

import numpy as np
import pytest

from graph.errors import InvalidInput, NotFound, StorageError
from graph.linking import features as module
from graph.linking.features import allocate, check_finite, of_length_one, read_features
from graph.shards import Shards

VIDEOS = ["v0"] * 3 + ["v1"] * 2


@pytest.fixture
def stored() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=8).astype(np.float16) for name in "abcdefg"}


@pytest.fixture
def shards(tmp_path: Path, stored: dict[str, np.ndarray]) -> Shards:
    shards = Shards(str(tmp_path))
    for video, ids in (("v0", list("cgab")), ("v1", list("fde"))):
        shards.write_vectors(f"features/net/{video}", ids, np.stack([stored[name] for name in ids]))
    return shards


def test_rows_are_those_asked_for(shards: Shards, stored: dict[str, np.ndarray]) -> None:
    matrix = read_features(shards, "net", list("abcde"), VIDEOS)
    assert np.array_equal(matrix, np.stack([stored[name] for name in "abcde"]))
    assert matrix.dtype == np.float16
    assert read_features(shards, "net", [], [], 8).shape == (0, 8)


def test_what_is_missing_or_broken_is_named(shards: Shards) -> None:
    with pytest.raises(NotFound, match="no features of model other for video v0"):
        read_features(shards, "other", ["a"], ["v0"])
    with pytest.raises(StorageError, match=r"v1.parquet lacks patch a \(1 in all\)"):
        read_features(shards, "net", ["d", "a"], ["v1", "v1"])
    path = Path(shards.path("features/net/v1"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match="cannot be read"):
        read_features(shards, "net", list("abcde"), VIDEOS)


def test_features_of_two_models(shards: Shards) -> None:
    with pytest.raises(InvalidInput, match="8 numbers, others of 5: features of two models"):
        read_features(shards, "net", ["a"], ["v0"], width=5)
    moved = Path(shards.path("features/other/v0"))
    moved.parent.mkdir()
    Path(shards.path("features/net/v0")).rename(moved)
    with pytest.raises(InvalidInput, match="vectors of model net, not of other"):
        read_features(shards, "other", ["a"], ["v0"])


def test_vectors_get_length_one_and_zero_stays() -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float16)
    vectors[3] = 0
    found = of_length_one(vectors)
    exact = vectors.astype(float)
    exact[[0, 1, 2, 4]] /= np.linalg.norm(exact[[0, 1, 2, 4]], axis=1, keepdims=True)
    assert np.allclose(found, exact, atol=1e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_is_refused_by_name(poison: float) -> None:
    vectors = np.ones((3, 4), np.float16)
    vectors[1, 2] = poison
    for kind in (np.float16, np.float32):
        with pytest.raises(InvalidInput, match="patch b contain NaN or infinity"):
            check_finite(vectors.astype(kind), list("abc"))
    check_finite(np.float16([[65504, -65504, 0, 6e-8]]), ["d"])


def test_a_matrix_too_large_for_memory_is_a_file_that_nobody_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    matrix = allocate((10, 4), tmp_path / "scratch")
    assert isinstance(matrix, np.memmap)
    matrix[:] = 3
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Free some space and link again"):
        allocate((1 << 40, 1000), tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
