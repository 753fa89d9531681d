"""Tests of a complete linking: the result depends only on the set of patches, and degenerate sets are handled."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from graph.errors import Cancelled, InvalidInput
from graph.linking.parameters import PAPER, LinkParameters
from graph.linking.run import link
from tests.graph.linking_data import make_world
from training.assignment import nearest_on, points_on

SMALL = replace(PAPER, parents=5, smallest=8)


def edge_set(linking) -> set[tuple[str, str, float]]:
    return {(edge.a_id, edge.b_id, round(edge.distance, 5)) for edge in linking.edges}


@pytest.fixture(scope="module")
def world():
    return make_world(400, 9)


def test_edges_join_mutual_neighbours_of_one_parent_from_two_videos(world) -> None:
    linking = link(world.features, world.starts, SMALL)
    assert len(linking.edges) > 50
    video = {patch.id: patch.video_id for patch in world.starts}
    parent = dict(zip(linking.patch_ids, linking.parents.tolist(), strict=True))
    frame = {patch.id: patch.frame for patch in world.starts}
    vectors = {p.id: v.astype(float) for p, v in zip(world.starts, world.features, strict=True)}
    for edge in linking.edges:
        assert edge.a_id < edge.b_id
        assert parent[edge.a_id] == parent[edge.b_id] >= 0
        assert video[edge.a_id] != video[edge.b_id] or frame[edge.a_id] == frame[edge.b_id]
        a, b = vectors[edge.a_id], vectors[edge.b_id]
        assert edge.distance == pytest.approx(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=2e-3)
    from_groups = {pair for row in linking.groups.tolist() for pair in combinations(row, 2)}
    assert from_groups == {tuple(pair) for pair in linking.pairs.tolist()}


def test_order_of_the_input_does_not_matter(world) -> None:
    first = link(world.features, world.starts, SMALL)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(world.starts))
        again = link(world.features[order], [world.starts[i] for i in order], SMALL)
        assert again.digest() == first.digest()
        assert edge_set(again) == edge_set(first)
        assert again.quality == first.quality


def test_scale_of_the_features_does_not_matter(world) -> None:
    assert edge_set(link(world.features * 4, world.starts, SMALL)) == edge_set(
        link(world.features, world.starts, SMALL)
    )


def test_ends_of_tracks_take_no_part(world) -> None:
    features = np.concatenate([world.features, np.ones((len(world.ends), world.features.shape[1]), np.float16)])
    assert (
        link(features, world.starts + world.ends, SMALL).digest() == link(world.features, world.starts, SMALL).digest()
    )


def test_torch_links_as_numpy_does(world) -> None:
    torch = link(world.features, world.starts, SMALL, points_on("cpu"), nearest_on("cpu"))
    ours = link(world.features, world.starts, SMALL)
    common = edge_set(torch) & edge_set(ours)
    assert len(common) >= 0.9 * len(edge_set(ours))  # bf16 may end in a slightly different K-means


def test_the_papers_wording_links_inside_a_video_and_ours_does_not(world) -> None:
    plain = link(world.features, world.starts, replace(SMALL, exclude_same_video=False))
    ours = link(world.features, world.starts, SMALL)
    assert plain.quality["edges_inside_one_video"] > 0.05
    assert ours.quality["edges_inside_one_video"] < 0.01


def test_reencodings_are_not_linked(world) -> None:
    first, second = world.videos[0].id, world.videos[1].id
    pair = {first, second}
    video = {patch.id: patch.video_id for patch in world.starts}

    def between(linking) -> int:
        return sum({video[edge.a_id], video[edge.b_id]} == pair for edge in linking.edges)

    assert between(link(world.features, world.starts, SMALL)) > 0
    linking = link(world.features, world.starts, SMALL, reencodings={second: first})
    assert between(linking) == 0
    assert linking.quality["twin_videos"] == 1


def test_quality_counts_what_there_is(world) -> None:
    linking = link(world.features, world.starts, replace(PAPER, parents=12, smallest=30))
    quality = linking.quality
    assert quality["patches"] == 400
    assert quality["videos"] == 9
    assert quality["parents"] == len(linking.parent_sizes)
    assert quality["parents"] + quality["dropped_parents"] == 12
    assert quality["dropped_patches"] == int((linking.parents < 0).sum())
    assert quality["edges"] == len(linking.edges)
    ends = {end for edge in linking.edges for end in (edge.a_id, edge.b_id)}
    assert quality["singletons"] == pytest.approx(1 - len(ends) / 400)
    assert quality["distance_inside"] < 0.7 * quality["distance_across"]
    assert 1 / 9 <= quality["purity_by_video"] <= 1


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_the_share_of_linked_starts_is_met_by_the_nearest_pairs(world, share) -> None:
    linking = link(world.features, world.starts, LinkParameters(parents=5, smallest=8, linked_share=share))
    every = link(world.features, world.starts, LinkParameters(parents=5, smallest=8, linked_share=1.0))
    linked = len(np.unique(linking.pairs))
    assert linked >= min(share * len(world.starts), len(np.unique(every.pairs)))
    ceiling = linking.quality["distance_ceiling"]
    assert set(linking.edges) == {edge for edge in every.edges if edge.distance <= ceiling}
    assert share == 1.0 or linking.distances.max() == pytest.approx(ceiling)
    assert linking.quality["singletons"] == pytest.approx(1 - linked / len(world.starts))


def test_what_all_features_share_makes_no_links(world) -> None:
    """A constant added to every vector moves all cosines towards 1; subtracting the mean restores the links."""
    shifted = world.features.astype(np.float32)
    shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
    mean = shifted.mean(axis=0)
    expected = edge_set(link(shifted - mean, world.starts, replace(PAPER, parents=5, smallest=8)))
    without = link(shifted, world.starts, replace(PAPER, parents=5, smallest=8, remove_mean=True))
    assert np.allclose(without.mean, mean, atol=1e-3)
    found = edge_set(without)
    assert len({pair[:2] for pair in found} ^ {pair[:2] for pair in expected}) < 0.03 * len(expected)  # float16


@pytest.mark.parametrize("count", [4, 5, 16])
def test_all_patches_equal(count: int) -> None:
    world = make_world(count, count)
    linking = link(np.ones((count, 7), np.float16), world.starts, PAPER)
    assert linking.edges
    assert max(edge.distance for edge in linking.edges) < 1e-3


def test_patches_without_any_feature_are_no_crash() -> None:
    world = make_world(20, 5)
    linking = link(np.zeros_like(world.features), world.starts, PAPER)
    assert len(linking.patch_ids) == 20


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_the_patch_named(poison: float) -> None:
    world = make_world(30, 5)
    features = world.features.copy()
    features[13, 4] = poison
    with pytest.raises(InvalidInput, match=world.starts[13].id):
        link(features, world.starts, PAPER)


def test_wrong_inputs_are_refused() -> None:
    world = make_world(30, 5)
    with pytest.raises(InvalidInput, match="30 patches need 30 vectors"):
        link(world.features[:29], world.starts, PAPER)
    with pytest.raises(InvalidInput, match="contain a duplicate"):
        link(world.features, [*world.starts[:29], world.starts[0]], PAPER)
    with pytest.raises(InvalidInput, match="2 patches cannot be linked"):
        link(world.features[:2], world.starts[:2], PAPER)


def test_cancelled_by_progress() -> None:
    world = make_world(100, 5)

    def stop(stage: str, done: int, total: int, unit: str) -> None:
        if stage == "children":
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        link(world.features, world.starts, PAPER, progress=stop)
