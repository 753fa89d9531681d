"""The choice between NumPy and torch for linking: NumPy for a linking of one part, torch for larger ones.

NumPy links one part in less time than the import of torch takes. Helpers on other machines exist only for linkings of
several parts, so leader and helpers always compute with torch.
"""

from graph.linking.neighbours import Nearest, nearest
from graph.linking.points import MakePoints, NumpyPoints
from graph.linking.track_starts import PART_ROWS


def arithmetic(device: str, count: int) -> tuple[MakePoints, Nearest]:
    """Return the functions that assign `count` vectors to centroids and find neighbours; raises `NoDevice`."""
    if count <= PART_ROWS:
        return NumpyPoints, nearest
    from training.assignment import nearest_on, points_on
    from training.devices import choose_device

    chosen = choose_device(device)
    return points_on(chosen), nearest_on(chosen)
