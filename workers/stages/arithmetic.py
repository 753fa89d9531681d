"""From how many starts there are to who computes: NumPy for what is one part, torch on the device for more.

Torch takes seconds to import, NumPy links one part in fewer; and only a linking of several parts has helpers, which
must compute as its leader does.
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
