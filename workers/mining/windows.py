"""The windows of a video that are passed to a watcher of `mine`."""

from dataclasses import dataclass
from functools import cached_property

from workers.mining.boxes import Box
from workers.mining.decode import Frame
from workers.mining.pixels import Pixels
from workers.mining.scene import Scene
from workers.mining.tracks import Track


@dataclass(frozen=True)
class Ends:
    """The first and the last frame of a window."""

    first: Frame
    last: Frame

    @cached_property
    def colours(self) -> tuple[Pixels, Pixels]:
        """Both pictures in RGB, converted once and only if a track needs them."""
        return self.first.colour(), self.last.colour()


@dataclass(frozen=True)
class Seen:
    """One window as it is passed to a watcher of `mine`; `reason` is empty if boxes were tracked in it."""

    ends: list[Ends]  # of each length that the shot allows
    scene: Scene | None
    anchor: int  # of the scene, in which the window begins
    reason: str
    boxes: list[Box]
    tracks: list[list[Track | str]]  # of each box, to its ends; the reason if one was refused
