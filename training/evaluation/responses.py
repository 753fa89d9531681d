"""The highest responses of every unit of a layer, and their mean and spread, gathered over batches of patches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.atomic_write import atomic_write

SHOWN = 6  # patches of a unit, as in figure 8


@dataclass(frozen=True)
class Response:
    """The response of a unit to the patch in row `row` of the search, highest at position (y, x) of the map."""

    value: float
    row: int
    y: int
    x: int
    track: str


class Responses:
    """The result of a search after `searched` patches; it is saved, so that a stopped search can be resumed."""

    def __init__(self, channels: int) -> None:
        """Begin a search over the units of a layer with `channels` channels."""
        self.searched = 0
        self.total = np.zeros(channels)
        self.squares = np.zeros(channels)
        self.top: list[list[Response]] = [[] for _ in range(channels)]

    def add(self, maps: NDArray[np.float32], tracks: Sequence[str]) -> None:
        """Add the maps (N, C, H, W) of the next N patches. Each track is kept once per unit."""
        flat = maps.reshape(*maps.shape[:2], -1)
        highest, place = flat.max(2).astype(np.float64), flat.argmax(2)
        self.total += highest.sum(0)
        self.squares += (highest**2).sum(0)
        for channel, known in enumerate(self.top):
            floor = known[-1].value if len(known) == SHOWN else -1.0
            new = []
            for row in np.flatnonzero(highest[:, channel] > floor).tolist():
                y, x = divmod(int(place[row, channel]), maps.shape[3])
                new.append(Response(float(highest[row, channel]), self.searched + row, y, x, tracks[row]))
            self.top[channel] = _best_of_each_track([*known, *new])
        self.searched += len(maps)

    def selectivity(self) -> NDArray[np.float64]:
        """Return each unit's selectivity: (mean of its highest responses − mean response) / standard deviation."""
        mean = self.total / max(1, self.searched)
        deviation = np.sqrt(np.maximum(self.squares / max(1, self.searched) - mean**2, 0))
        high = np.array([np.mean([one.value for one in top]) if top else 0.0 for top in self.top])
        found: NDArray[np.float64] = np.divide(high - mean, deviation, out=np.zeros_like(mean), where=deviation > 1e-12)
        return found

    def most_selective(self, count: int) -> list[int]:
        """Return the numbers of the most selective units that respond to all of their patches; the best first."""
        selectivity = self.selectivity()
        alive = [unit for unit, top in enumerate(self.top) if len(top) == SHOWN and top[-1].value > 0]
        return sorted(alive, key=lambda unit: -selectivity[unit])[:count]

    def save(self, file: Path, identity: str) -> None:
        """Save the state of the search for `identity`, which names the model and the patches."""
        state = {
            "identity": identity,
            "searched": self.searched,
            "total": self.total.tolist(),
            "squares": self.squares.tolist(),
            "top": [[[one.value, one.row, one.y, one.x, one.track] for one in top] for top in self.top],
        }
        atomic_write(file, json.dumps(state))

    @staticmethod
    def load(file: Path, identity: str, channels: int) -> "Responses":
        """Return the saved state, or a new one if there is none for `identity`."""
        responses = Responses(channels)
        if not file.is_file():
            return responses
        state = json.loads(file.read_text())
        if state["identity"] == identity:
            responses.searched = state["searched"]
            responses.total, responses.squares = np.array(state["total"]), np.array(state["squares"])
            responses.top = [[Response(*one) for one in top] for top in state["top"]]
        return responses


def _best_of_each_track(found: list[Response]) -> list[Response]:
    best: dict[str, Response] = {}
    for one in sorted(found, key=lambda response: (-response.value, response.row)):
        best.setdefault(one.track, one)
        if len(best) == SHOWN:
            break
    return list(best.values())
