"""Tests of K-means and of the rule for K: closed forms, a naive transcription, and invariances."""

import numpy as np
import pytest

from graph.errors import InvalidInput
from graph.linking.features import of_length_one
from graph.linking.parameters import PAPER, LinkParameters, parent_count, smallest_parent
from graph.linking.points import NumpyPoints
from tests.graph.linking_data import cluster
from training.assignment import points_on

KINDS = pytest.mark.parametrize("assign", [NumpyPoints, points_on("cpu")], ids=["numpy", "torch"])


def blobs(sizes: list[int], seed: int = 0, width: int = 48, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(sizes), width))
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = centres[truth] + noise * generator.normal(size=(len(truth), width))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float16), truth


@KINDS
def test_assignment_is_the_nearest_centroid(assign) -> None:
    generator = np.random.default_rng(1)
    features, centroids = generator.normal(size=(300, 20)).astype(np.float16), generator.normal(size=(9, 20))
    labels, distances = assign(features).assign(centroids.astype(np.float32))
    squared = ((of_length_one(features)[:, None].astype(float) - centroids[None]) ** 2).sum(axis=2)
    chosen = squared[np.arange(300), labels]
    slack = (
        1e-4 if assign is NumpyPoints else 0.2
    )  # bf16 has 8 significant bits, so either of two almost equally near centroids is right
    assert np.all(chosen <= squared.min(axis=1) + slack)
    assert np.mean(labels == squared.argmin(axis=1)) > (0.999 if assign is NumpyPoints else 0.98)
    assert np.allclose(distances, chosen, atol=slack)


@KINDS
def test_moving_keeps_the_sums_of_every_centroid(assign) -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(200, 6)).astype(np.float16)
    points, sums, old = assign(features), np.zeros((4, 6), np.float32), np.full(200, -1, np.int32)
    points.assign(sums)
    for _ in range(4):
        new = generator.integers(-1, 4, 200).astype(np.int32)
        points.move(sums, old, new)
        old = new
        for centroid in range(4):
            members = of_length_one(features[new == centroid]).astype(float)
            assert np.allclose(sums[centroid], members.sum(axis=0), atol=1e-4)


@KINDS
def test_separate_blobs_are_found_and_small_ones_dropped(assign) -> None:
    features, truth = blobs([60, 50, 40, 30, 5])
    best = min((cluster(features, 5, 10, seed, assign=assign) for seed in range(8)), key=lambda found: found.objective)
    assert sorted(best.parents.sizes.tolist()) == [30, 40, 50, 60]
    assert best.parents.dropped.tolist() == [5]
    assert set(truth[best.labels < 0]) == {4}
    for parent in range(4):
        assert len(set(truth[best.labels == parent])) == 1


@KINDS
def test_same_seed_same_parents(assign) -> None:
    features, _ = blobs([50] * 6, noise=0.8)
    one, two = (cluster(features, 7, 3, 11, assign=assign) for _ in range(2))
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(one.centroids, two.centroids)
    assert not np.array_equal(one.labels, cluster(features, 7, 3, 12, assign=assign).labels)


def test_a_centroid_is_the_mean_of_its_vectors_and_more_iterations_never_hurt() -> None:
    features, _ = blobs([80] * 5, noise=1.0)
    objectives = [cluster(features, 9, 1, 4, iterations=n).objective for n in (1, 2, 4, 8, 30)]
    assert objectives == sorted(objectives, reverse=True)
    done = cluster(features, 9, 1, 4, iterations=100)
    for parent in range(len(done.parents.sizes)):
        mean = features[done.labels == parent].astype(float).mean(axis=0)
        assert np.allclose(done.centroids[parent], mean, atol=5e-3)


def test_numpy_and_bf16_reach_the_same_objective() -> None:
    features, _ = blobs([100] * 8, noise=1.0, width=256)
    ours, torch = (cluster(features, 12, 1, 3, assign=assign).objective for assign in (NumpyPoints, points_on("cpu")))
    assert torch == pytest.approx(ours, rel=0.005)


def test_trained_on_a_sample_all_are_assigned() -> None:
    features, truth = blobs([200, 200, 200])
    found = min((cluster(features, 3, 1, seed, sample=60) for seed in range(8)), key=lambda one: one.objective)
    assert found.parents.sizes.sum() == 600
    assert len(set(zip(found.labels.tolist(), truth.tolist(), strict=True))) == 3


@KINDS
def test_all_vectors_equal_end_in_one_parent_and_the_rest_is_reported_empty(assign) -> None:
    features = np.tile(np.float16([0.6, 0.8]), (40, 1))
    found = cluster(features, 5, 4, 0, assign=assign)
    assert found.parents.sizes.tolist() == [40]
    assert (found.parents.dropped == 0).sum() == 4
    assert found.objective == pytest.approx(0, abs=1e-3)


def test_an_empty_centroid_gets_half_of_the_widest_cluster() -> None:
    """K-means that starts from copies of one vector still uses all centroids if the data has enough kinds."""
    features, _ = blobs([40, 40, 40], noise=0.3)
    crowded = np.concatenate([np.tile(features[:1], (400, 1)), features])
    found = cluster(crowded, 6, 1, 0)
    assert (found.parents.dropped != 0).all()


def test_more_parents_than_vectors_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot make 5 clusters of 3"):
        cluster(np.eye(3, dtype=np.float16), 5, 1, 0)


def test_the_rule_passes_through_the_paper_and_never_leaves_negatives_out() -> None:
    assert parent_count(10_000_000) == 5000
    assert smallest_parent(10_000_000, 5000) == 100
    counts = [16, 50, 100, 500, 2_000, 10_000, 100_000, 1_000_000, 10_000_000]
    parents = [parent_count(count) for count in counts]
    assert parents == sorted(parents)
    assert all(4 <= k <= n / 4 for k, n in zip(parents, counts, strict=True))
    assert [parent_count(n) for n in (1, 3, 8)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "count", "message"),
    [
        (PAPER, 3, "3 patches cannot be linked in groups of 4"),
        (LinkParameters(), 1, "1 patches cannot be linked in groups of 2"),
        (LinkParameters(parents=50), 20, "20 patches cannot form 50 parents"),
        (LinkParameters(group=1), 20, "at least 2"),
        (LinkParameters(neighbours=0), 20, "neighbours must be at least 1"),
        (LinkParameters(smallest=-1), 20, "cannot be negative"),
        (LinkParameters(linked_share=0), 20, "linked_share must be above 0 and at most 1"),
    ],
)
def test_impossible_parameters_are_refused(parameters: LinkParameters, count: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parameters.resolve(count)
