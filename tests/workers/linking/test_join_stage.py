"""Tests of the join stage: new videos join the parents of the current generation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graph.errors import NotFound
from graph.generations.catalogue import (
    get_generation,
    unlinked_videos,
)
from graph.generations.centroids import read_centroids
from graph.linking.neighbours import nearest
from graph.linking.parameters import LinkParameters
from graph.linking.points import NumpyPoints
from graph.records import no_progress
from graph.videos import delete_video
from tests.graph.linking_data import World, make_world
from tests.workers.linking.worlds import JOIN, REQUEST, add, definition, stored
from workers.requests import LinkRequest
from workers.stage_context import StageContext
from workers.stages.features import prepare_link
from workers.stages.link import link


@pytest.mark.parametrize("gone", [False, True])
def test_new_videos_join_the_parents_and_the_children_are_those_of_the_definition(
    context: StageContext, world: World, gone: bool
) -> None:
    add(context, world, slice(0, 9))
    first = link(context, REQUEST, no_progress)
    old, _, _ = stored(context.connection, first)
    add(context, world, slice(9, None))
    assert unlinked_videos(context.connection) == 2
    if gone:
        delete_video(context.connection, world.videos[0].id)
    second = link(context, JOIN, no_progress)
    assert second != first
    assert unlinked_videos(context.connection) == 0
    parent, groups, pairs = stored(context.connection, second)
    starts = [patch for patch in world.starts if not (gone and patch.video_id == world.videos[0].id)]
    there = {patch.id for patch in starts}
    assert {patch: number for patch, number in parent.items() if patch in old} == {
        patch: number for patch, number in old.items() if patch in there
    }
    kept = read_centroids(context.shards, second)
    centroids, numbers = kept.vectors, kept.numbers
    new = [row for row, patch in enumerate(world.starts) if patch.video_id in {v.id for v in world.videos[9:]}]
    unit = world.features[new].astype(float) / np.linalg.norm(world.features[new].astype(float), axis=1, keepdims=True)
    closest = ((unit[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
    assigned = np.array([parent.get(world.starts[row].id, -1) for row in new])
    assert (numbers[closest] == assigned).all()
    assert (groups, pairs) == definition(world, starts, parent)
    known = get_generation(context.connection, second)
    assert (known.joined, known.edges, known.children) == (first, len(pairs), len(groups))
    assert set(get_generation(context.connection, first).held_out) - {world.videos[0].id} <= set(known.held_out)
    assert link(context, JOIN, no_progress) == second
    from_the_ground_up = link(context, REQUEST, no_progress)
    assert get_generation(context.connection, from_the_ground_up).joined == ""


def test_a_video_that_was_deleted_and_ingested_again_is_joined(context: StageContext, world: World) -> None:
    add(context, world)
    first = link(context, REQUEST, no_progress)
    _, groups, pairs = stored(context.connection, first)
    video = get_generation(context.connection, first).held_out[0]
    place = [one.id for one in world.videos].index(video)
    delete_video(context.connection, video)
    add(context, world, slice(place, place + 1))
    assert unlinked_videos(context.connection) == 1
    second = link(context, JOIN, no_progress)
    assert stored(context.connection, second)[1:] == (groups, pairs)
    assert video in get_generation(context.connection, second).held_out
    assert unlinked_videos(context.connection) == 0
    assert link(context, JOIN, no_progress) == second


def test_joining_keeps_the_mean_and_the_ceiling_of_the_linking(context: StageContext, world: World) -> None:
    add(context, world, slice(0, 9))
    first = link(context, LinkRequest("net", parameters=LinkParameters(parents=5, smallest=8)), no_progress)
    ceiling = get_generation(context.connection, first).quality["distance_ceiling"]
    assert 0 < ceiling < 2
    mean = read_centroids(context.shards, first).mean
    assert mean is not None
    add(context, world, slice(9, None))
    second = link(context, JOIN, no_progress)
    assert np.array_equal(read_centroids(context.shards, second).mean, mean)
    assert get_generation(context.connection, second).quality["distance_ceiling"] == ceiling
    parent, _, pairs = stored(context.connection, second)
    unit = world.features.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    centred = replace(world, features=(unit - mean).astype(np.float16))
    _, every = definition(centred, world.starts, parent, neighbours=5, group=2)
    row = {patch.id: index for index, patch in enumerate(world.starts)}
    values = centred.features.astype(np.float64)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    assert pairs == {(a, b) for a, b in every if 1 - values[row[a]] @ values[row[b]] <= ceiling + 1e-6}


def test_parents_that_nobody_joined_are_not_computed_again(
    context: StageContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(context, world)
    first = link(context, REQUEST, no_progress)
    later = make_world(3, 1, seed=5)
    add(context, later)
    computed: list[int] = []

    def counting(features: Any, *rest: Any) -> Any:
        computed.append(len(features))
        return nearest(features, *rest)

    monkeypatch.setattr("workers.stages.join.arithmetic", lambda device, count: (NumpyPoints, counting))
    second = link(context, JOIN, no_progress)
    assert 1 <= len(computed) <= 3 < get_generation(context.connection, first).parents
    parent, groups, pairs = stored(context.connection, second)
    both = World(world.videos, world.starts + later.starts, [], [], np.concatenate([world.features, later.features]))
    assert (groups, pairs) == definition(both, both.starts, parent)


def test_joining_before_the_first_linking(context: StageContext, world: World) -> None:
    add(context, world)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        prepare_link(context, JOIN, no_progress)
    with pytest.raises(NotFound, match="Nothing is linked yet"):
        link(context, JOIN, no_progress)
