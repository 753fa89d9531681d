"""Features from shards: in the order of patch ids, of length 1, and whole or refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph.errors import InvalidInput, NotFound, StorageError
from graph.linking import features as module
from graph.linking.features import load_features
from graph.linking.parameters import LinkParameters
from graph.linking.run import link
from graph.shards import Shards

from .linking_data import World, make_world


@pytest.fixture
def world() -> World:
    return make_world(60, 5)


@pytest.fixture
def shards(tmp_path: Path, world: World) -> Shards:
    """Vectors of starts and ends, each video's in an order of its own."""
    shards = Shards(str(tmp_path / "data"))
    rows = dict(zip([patch.id for patch in world.starts], world.features, strict=True))
    for video in world.videos:
        ids = [patch.id for patch in [*world.ends, *world.starts[::-1]] if patch.video_id == video.id]
        vectors = np.stack([rows.get(patch, np.zeros(32, np.float16)) for patch in ids])
        shards.write_vectors(f"features/net/{video.id}", ids, vectors)
    return shards


def test_rows_follow_the_ids_and_have_length_one(shards: Shards, world: World) -> None:
    matrix, ordered = load_features(shards, "net", world.ends + world.starts)
    assert [patch.id for patch in ordered] == sorted(patch.id for patch in world.starts)
    assert matrix.dtype == np.float16
    for row, patch in zip(matrix.astype(float), ordered, strict=True):
        vector = world.features[world.starts.index(patch)].astype(float)
        assert np.allclose(row, vector / np.linalg.norm(vector), atol=1e-3)


def test_linking_from_shards_equals_linking_from_memory(shards: Shards, world: World) -> None:
    matrix, ordered = load_features(shards, "net", world.starts)
    stored, given = link(matrix, ordered, LinkParameters()), link(world.features, world.starts, LinkParameters())
    assert stored.digest() == given.digest()


def test_a_matrix_too_large_for_memory_is_a_file_that_nobody_finds(
    shards: Shards, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = load_features(shards, "net", world.starts)
    monkeypatch.setattr(module, "_IN_MEMORY", 0)
    scratch = tmp_path / "scratch"
    matrix, ordered = load_features(shards, "net", world.starts, scratch=scratch)
    assert isinstance(matrix, np.memmap)
    assert np.array_equal(matrix, expected)
    assert list(scratch.iterdir()) == []
    assert link(matrix, ordered, LinkParameters(), scratch=scratch).edges


def test_features_that_were_not_computed(shards: Shards, world: World) -> None:
    with pytest.raises(NotFound, match="no features of model other"):
        load_features(shards, "other", world.starts)
    shards.delete(f"features/net/{world.videos[2].id}")
    with pytest.raises(NotFound, match=world.videos[2].id):
        load_features(shards, "net", world.starts)


def test_a_shard_cut_short(shards: Shards, world: World) -> None:
    path = Path(shards.path(f"features/net/{world.videos[1].id}"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match="cannot be read"):
        load_features(shards, "net", world.starts)


def test_a_shard_that_lacks_a_patch(shards: Shards, world: World) -> None:
    extra = replace(world.starts[0], id="f" * 16)
    with pytest.raises(StorageError, match=r"lacks patch f{16}"):
        load_features(shards, "net", [*world.starts, extra])


def test_features_of_two_models(shards: Shards, world: World) -> None:
    video = world.videos[3].id
    ids, vectors = shards.read_vectors(f"features/net/{video}")
    shards.write_vectors(f"features/net/{video}", ids, vectors[:, :16])
    with pytest.raises(InvalidInput, match="features of two models"):
        load_features(shards, "net", world.starts)


def test_nan_in_a_shard(shards: Shards, world: World) -> None:
    video = world.videos[0].id
    ids, vectors = shards.read_vectors(f"features/net/{video}")
    broken = vectors.copy()
    start = next(patch.id for patch in world.starts if patch.video_id == video)
    broken[ids.index(start), 5] = np.nan
    shards.write_vectors(f"features/net/{video}", ids, broken)
    with pytest.raises(InvalidInput, match=f"patch {start} hold NaN"):
        load_features(shards, "net", world.starts)


def test_no_patches(shards: Shards) -> None:
    with pytest.raises(InvalidInput, match="no patches to link"):
        load_features(shards, "net", [])
