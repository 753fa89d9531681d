"""From the number of a part to its result: what a machine does for a linking that another one leads (section 4.2)."""

from graph.linking.parts import help_run
from training.assignment import nearest_on, points_on
from training.devices import choose_device
from workers.workplace import Workplace


def help_link(place: Workplace, run: str, kind: str, number: int) -> bool:
    """Do one part of the run; returns False where it is over. Raises what `graph.linking.parts` raises."""
    device = choose_device(place.settings.device)
    return help_run(place.shards, run, kind, number, points_on(device), nearest_on(device))
