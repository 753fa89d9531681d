"""The choice between NumPy and torch for a linking: NumPy for a linking of one part, torch for larger ones.

NumPy links one part in less time than importing torch takes. Only a linking of several parts has helpers on other
machines, and those must compute as its leader does.
"""

from graph.linking.neighbours import Nearest, nearest
from graph.linking.points import MakePoints, NumpyPoints
from graph.linking.track_starts import PART_ROWS


def arithmetic(device: str, count: int) -> tuple[MakePoints, Nearest]:
    """Return what assigns to centroids and what finds neighbours; raises `Unavailable` for a device not there."""
    if count <= PART_ROWS:
        return NumpyPoints, nearest
    from training.assignment import nearest_on, points_on
    from training.devices import choose_device

    chosen = choose_device(device)
    return points_on(chosen), nearest_on(chosen)
