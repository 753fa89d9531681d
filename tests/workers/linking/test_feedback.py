"""Linking leaves out what people rejected, and a join brings back what they withdrew."""

import pytest

from graph.feedback import judge_link, mark_no_object
from graph.generations.catalogue import (
    delete_generation,
    get_generation,
)
from graph.records import no_progress
from tests.graph.linking_data import World
from tests.workers.linking.worlds import JOIN, REQUEST, add, definition, edges, numbered, stored
from workers.requests import LinkRequest
from workers.stage_context import StageContext
from workers.stages.link import link


@pytest.mark.parametrize("request_", [REQUEST, numbered(group=2, linked_share=0.4)], ids=["paper", "pairs"])
def test_what_was_rejected_is_not_linked_again(context: StageContext, world: World, request_: LinkRequest) -> None:
    add(context, world, slice(0, 9))
    first = link(context, request_, no_progress)
    a, b, _ = sorted(edges(context.connection, first))[10]
    no_object = next(iter(sorted(edges(context.connection, first) - {(a, b)})[40:]))[0]
    assert no_object not in (a, b)
    judge_link(context.connection, a, b, "rejected", "ada")
    mark_no_object(context.connection, [no_object], True)
    second = link(context, request_, no_progress)
    assert link(context, request_, no_progress) == second != first
    add(context, world, slice(9, None))
    joined = link(context, JOIN, no_progress)
    for generation in (second, joined):
        pairs = {(one, other) for one, other, _ in edges(context.connection, generation)}
        assert len(pairs) > 50
        assert (a, b) not in pairs
        assert no_object not in {patch for pair in pairs for patch in pair}
        _, groups, _ = stored(context.connection, generation)
        assert not any({a, b} <= group or no_object in group for group in groups)
        quality = get_generation(context.connection, generation).quality
        assert (quality["rejected_before"], quality["rejected_since"]) == (1, 0)
        assert quality["rejected_share"] == 1 / (len(pairs) + 1)
    judge_link(context.connection, a, b, "open")
    mark_no_object(context.connection, [no_object], False)
    third = link(context, request_, no_progress)
    assert (a, b) in {(one, other) for one, other, _ in edges(context.connection, third)}
    assert get_generation(context.connection, third).feedback == ""


@pytest.mark.parametrize("of_today", [True, False], ids=["today", "earlier version"])
def test_withdrawn_feedback_comes_back_with_a_join(context: StageContext, world: World, of_today: bool) -> None:
    add(context, world)
    asked = numbered(group=2)
    first = link(context, asked, no_progress)
    a, b, _ = sorted(edges(context.connection, first))[10]
    no_object = next(
        one for one, other, _ in sorted(edges(context.connection, first))[40:] if not {one, other} & {a, b}
    )
    judge_link(context.connection, a, b, "rejected")
    mark_no_object(context.connection, [no_object], True)
    second = link(context, asked, no_progress)
    delete_generation(context.connection, first)
    if not of_today:
        context.connection.write("MATCH (g:Generation) REMOVE g.withheld")
    judge_link(context.connection, a, b, "accepted")
    mark_no_object(context.connection, [no_object], False)
    third = link(context, JOIN, no_progress)
    assert third != second
    parent, groups, pairs = stored(context.connection, third)
    assert (a, b) in pairs
    assert no_object in {patch for pair in pairs for patch in pair}
    assert (groups, pairs) == definition(world, world.starts, parent, group=2)
    assert link(context, JOIN, no_progress) == third
