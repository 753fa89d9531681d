"""One part of a linking that a worker on another machine leads (section 4.2)."""

from graph.linking.parts import help_run
from graph.linking.track_starts import PART_ROWS
from workers.stage_context import StageContext
from workers.stages.arithmetic import arithmetic


def help_link(context: StageContext, run: str, kind: str, number: int) -> bool:
    """Do one part of the run; returns False where it is over. Raises what `graph.linking.parts` raises."""
    return help_run(context.shards, run, kind, number, *arithmetic(context.settings.device, PART_ROWS + 1))
