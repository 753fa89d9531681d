"""Tests of children against plain loops transcribed from section 4.2, on hundreds of small random sets."""

from itertools import combinations

import numpy as np
import pytest

from graph.linking.children import Children, child_widths, children, distance_ceiling, pairs_of, within
from graph.linking.cliques import mutual_groups
from graph.linking.neighbours import nearest
from training.assignment import nearest_on

SEEDS = range(300)


def draw(seed: int) -> dict:
    """Return vectors of small integers, for which equal similarities are common."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 26))
    videos = [f"v{n}" for n in generator.integers(0, generator.integers(1, 9), count)]
    return {
        "features": generator.integers(-2, 3, (count, int(generator.integers(1, 5)))).astype(np.float16),
        "video_ids": videos,
        "frames": generator.integers(0, 3, count).tolist(),
        "boxes": np.stack([*generator.integers(0, 30, (2, count)), *generator.integers(5, 20, (2, count))], axis=1),
        "neighbours": int(generator.integers(1, 12)),
        "group": int(generator.integers(2, 6)),
        "exclude_same_video": bool(generator.integers(4)),
    }


def cosine(a, b) -> int:
    """Return cosines in steps of 2⁻²⁰; smaller differences count as equal (docs/decisions/0201)."""
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return round(float(np.float32(a @ b / lengths)) * 2**20) if lengths else 0


def transcription(features, video_ids, frames, boxes, neighbours, group, exclude_same_video) -> set[tuple[int, ...]]:
    """Return the groups of section 4.2's second stage, by its text."""
    count = len(features)

    def apart(i, j):
        (ax, ay, aw, ah), (bx, by, bw, bh) = boxes[i], boxes[j]
        return ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay

    def may_be_one_object(i, j):
        return video_ids[i] == video_ids[j] and not (frames[i] == frames[j] and apart(i, j))

    lists = []
    for i in range(count):
        others = [j for j in range(count) if j != i and not (exclude_same_video and may_be_one_object(i, j))]
        others.sort(key=lambda j: (-cosine(features[i].astype(float), features[j].astype(float)), j))
        lists.append(set(others[:neighbours]))
    return {
        members
        for members in combinations(range(count), group)
        if all(j in lists[i] and i in lists[j] for i, j in combinations(members, 2))
    }


@pytest.mark.parametrize("search", [nearest, nearest_on("cpu")], ids=["numpy", "torch"])
def test_children_are_those_of_the_definition(search) -> None:
    found = 0
    for seed in SEEDS:
        case = draw(seed)
        groups = children(**case, search=search)
        expected = transcription(**case)
        assert [tuple(row) for row in groups.tolist()] == sorted(expected), seed
        found += len(expected)
    assert found > 1000  # the sets are large enough to have groups


def test_lists_are_cut_after_the_exclusion() -> None:
    """Ten nearer patches of the same clip must not fill a patch's list."""
    features = np.array([[1, 0]] + [[1, 0.01]] * 10 + [[1, 0.3]] * 3, np.float32)
    videos = ["clip"] * 11 + ["a", "b", "c"]
    boxes = np.zeros((14, 4), np.int64) + 10
    groups = children(features, videos, list(range(14)), boxes)
    assert len(groups)
    assert all(row.tolist()[-3:] == [11, 12, 13] for row in groups)


def test_a_reencoding_counts_as_the_same_video_even_in_the_same_frame() -> None:
    features = np.eye(2, dtype=np.float32)[[0, 0]]
    boxes = np.array([[0, 0, 10, 10], [50, 50, 10, 10]])
    together = {"neighbours": 3, "group": 2}
    assert len(children(features, ["v", "v"], [5, 5], boxes, **together)) == 1
    assert len(children(features, ["v", "w"], [5, 5], boxes, **together)) == 1
    assert len(children(features, ["v", "w"], [5, 5], boxes, **together, owners=["v", "v"])) == 0


def test_cliques_of_known_graphs() -> None:
    def lists(edges: set[tuple[int, int]], count: int) -> np.ndarray:
        rows = [[j for j in range(count) if (i, j) in edges or (j, i) in edges] for i in range(count)]
        return np.array([row + [-1] * (count - len(row)) for row in rows], np.int32)

    complete = set(combinations(range(6), 2))
    for size, expected in ((2, 15), (3, 20), (4, 15), (5, 6), (6, 1)):  # binomial coefficients
        assert len(mutual_groups(lists(complete, 6), size)) == expected
    two_and_two = {(0, 2), (0, 3), (1, 2), (1, 3)}  # a complete bipartite graph has edges but no triangle
    assert len(mutual_groups(lists(two_and_two, 4), 2)) == 4
    assert len(mutual_groups(lists(two_and_two, 4), 3)) == 0
    assert len(mutual_groups(np.full((5, 3), -1, np.int32), 4)) == 0


def test_one_sided_neighbours_are_no_edge() -> None:
    one_way = np.array([[1], [2], [1]], np.int32)
    assert mutual_groups(one_way, 2).tolist() == [[1, 2]]


def test_large_parent_in_blocks_equals_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    features = generator.normal(size=(700, 8)).astype(np.float16)
    owners = generator.integers(0, 40, 700)
    allowed = np.array([[3, 650], [10, 11]])
    whole = nearest(features, owners, allowed, 10)
    monkeypatch.setattr("graph.linking.neighbours._BLOCK_KEYS", 700 * 64)
    monkeypatch.setattr("graph.linking.neighbours._COLUMNS", 100)
    monkeypatch.setattr("training.assignment._CPU_KEYS", 700 * 64)
    assert np.array_equal(nearest(features, owners, allowed, 10), whole)
    assert np.array_equal(nearest_on("cpu")(features, owners, allowed, 10), whole)


def test_pairs_inside_groups_once_each() -> None:
    groups = np.array([[0, 2, 5], [0, 2, 7]], np.int32)
    assert pairs_of(groups, 8).tolist() == [[0, 2], [0, 5], [0, 7], [2, 5], [2, 7]]
    assert pairs_of(np.empty((0, 4), np.int32), 8).shape == (0, 2)


def found_children(seed: int, group: int) -> tuple[Children, int]:
    """Return random children of 40 samples with random distances on a grid, so that ties are common."""
    generator = np.random.default_rng(seed)
    rows = [sorted(generator.choice(40, group, replace=False).tolist()) for _ in range(30)]
    groups = np.unique(np.array(rows, np.int32), axis=0)
    pairs = pairs_of(groups, 40).astype(np.int32)
    return Children(groups, pairs, generator.integers(0, 20, len(pairs)) / 20), 40


@pytest.mark.parametrize("group", [2, 3, 4])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_tightest_children_are_kept_until_the_share_is_linked(group: int, share: float, seed: int) -> None:
    found, count = found_children(seed, group)
    distance = {tuple(pair): value for pair, value in zip(found.pairs.tolist(), found.distances, strict=True)}
    widths = {tuple(row): max(distance[pair] for pair in combinations(row, 2)) for row in found.groups.tolist()}
    assert child_widths(found, count).tolist() == list(widths.values())
    linked: set[int] = set()
    expected = 2.0
    for row, width in sorted(widths.items(), key=lambda item: item[1]):  # naive: one child at a time
        linked |= set(row)
        if len(linked) >= share * count:
            expected = width
            break
    ceiling = distance_ceiling(found, count, share)
    assert ceiling == (2.0 if share == 1 or len(linked) < share * count else expected)
    kept = within(found, count, ceiling)
    assert [tuple(row) for row in kept.groups.tolist()] == [row for row in widths if widths[row] <= ceiling]
    pairs = {pair for row in kept.groups.tolist() for pair in combinations(row, 2)}
    assert {tuple(pair) for pair in kept.pairs.tolist()} == pairs
    assert kept.distances.tolist() == [distance[tuple(pair)] for pair in kept.pairs.tolist()]
