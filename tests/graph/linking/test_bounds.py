"""Bounds of a linking: what is refused before any work, and the cap on the children of one patch."""

from dataclasses import replace

import numpy as np
import pytest

from graph.errors import InvalidInput
from graph.linking.bounds import MOST_CHILDREN, check_bounds, keep_tightest
from graph.linking.parameters import PAPER, LinkParameters
from graph.linking.run import link
from tests.graph.linking_data import make_world


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (299, LinkParameters(group=8, neighbours=1000, parents=1, smallest=1)),  # 25 GB, once
        (299, LinkParameters(group=4, neighbours=1000, parents=1)),  # 206,877 children, once
        (2000, LinkParameters(group=100, neighbours=300, parents=1)),
        (10_000_000, LinkParameters(group=2, neighbours=1000)),  # 600 million edges
    ],
)
def test_a_linking_that_could_take_too_much_is_refused_before_any_work(count: int, asked: LinkParameters) -> None:
    with pytest.raises(InvalidInput, match=r"could (take|give)"):
        check_bounds(asked.resolve(count), count)


@pytest.mark.parametrize("asked", [PAPER, LinkParameters()])
@pytest.mark.parametrize("count", [40, 2_000, 1_000_000, 10_000_000])
def test_the_papers_numbers_and_the_defaults_fit_at_every_size(asked: LinkParameters, count: int) -> None:
    check_bounds(asked.resolve(count), count)


def test_the_tightest_groups_of_each_patch_are_those_of_a_loop() -> None:
    random = np.random.default_rng(3)
    groups = np.unique(np.sort(np.array([random.choice(30, 3, replace=False) for _ in range(600)]), axis=1), axis=0)
    groups = groups.astype(np.int32)
    widths = random.integers(0, 50, len(groups)) / 50
    kept = keep_tightest(groups, widths, most=7)
    rank = {group: place for place, group in enumerate(np.argsort(widths, kind="stable").tolist())}
    for number, members in enumerate(groups.tolist()):
        tighter = [
            sum(member in other for other in (groups[g] for g in rank if rank[g] < rank[number])) for member in members
        ]
        assert kept[number] == all(count < 7 for count in tighter)
    assert np.bincount(groups[kept].ravel()).max() <= 7
    assert keep_tightest(groups, widths, most=len(groups)).all()


def test_a_linking_caps_the_children_of_a_patch_and_counts_them() -> None:
    world = make_world(120, 1)
    dense = replace(PAPER, parents=1, smallest=1, neighbours=40, group=4, exclude_same_video=False)
    linking = link(world.features, world.starts, dense)
    assert np.bincount(linking.groups.ravel()).max() <= MOST_CHILDREN
    assert linking.quality["children_over_the_cap"] > 0
    assert link(world.features, world.starts, replace(dense, neighbours=10)).quality["children_over_the_cap"] == 0
