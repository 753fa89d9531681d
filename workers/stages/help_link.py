"""Computation of one part of a linking that another machine leads (section 4.2)."""

from graph.linking.parts import help_run
from graph.linking.track_starts import PART_ROWS
from workers.stage_context import StageContext
from workers.stages.arithmetic import arithmetic


def help_link(context: StageContext, run: str, kind: str, number: int) -> bool:
    """Compute one part of a run; returns False if the run has ended. Raises as `graph.linking.parts` does."""
    return help_run(context.shards, run, kind, number, *arithmetic(context.settings.device, PART_ROWS + 1))
