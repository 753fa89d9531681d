"""From the number of a part to its result: what a machine does for a linking that another one leads (section 4.2)."""

from graph.linking.parts import help_run
from graph.linking.starts import PART_ROWS
from workers.stages.arithmetic import arithmetic
from workers.workplace import Workplace


def help_link(place: Workplace, run: str, kind: str, number: int) -> bool:
    """Do one part of the run; returns False where it is over. Raises what `graph.linking.parts` raises."""
    return help_run(place.shards, run, kind, number, *arithmetic(place.settings.device, PART_ROWS + 1))
