"""The numbers of mining, each with its reason, and the limits of one video."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graph.errors import InvalidInput
from graph.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one video may take before it is refused."""

    seconds: float = 3600.0
    stall_seconds: float = 120.0  # without progress
    memory_mb: int = 4096
    max_pixels: int = 3840 * 2160 * 2
    max_frames: int = 2_000_000

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take the limits from the settings."""
        return cls(
            settings.mining_seconds,
            settings.mining_stall_seconds,
            settings.mining_memory_mb,
            settings.max_pixels,
            settings.max_frames,
        )


@dataclass(frozen=True, slots=True)
class Mining:
    """Sizes are pixels of the luma that mining works on: half of a frame of about 600×400 (section 4.1)."""

    track_length: int = 30  # frames from A to A' (section 4.3; 15 in the ablation)
    longer: tuple[int, ...] = ()  # further frames at which A' is taken of the same A, while trust holds
    stride: int = 15  # frames between the first frames of two windows; they overlap in time by half
    working_area: int = 600 * 400  # pixels of the working frame (4.1)
    crop: int = 227  # side of a patch, in pixels of the working frame (4.1)
    crop_follows_size: bool = True  # larger and smaller crops for objects that 227 cuts or loses; False: the paper's
    patch: int = 96  # side of a stored patch (4.1)
    full_rate: float = 40.0  # videos with more frames a second are taken with a stride

    step: int = 5  # frames between two anchor frames, in which motion is measured
    cell: int = 14  # one corner per cell of this side
    corner_quality: float = 4e-4  # smallest eigenvalue of a corner, of luma in 0..1 over 3×3
    backward_error: float = 0.7  # a point is lost when tracking it back misses by more
    inlier: float = 1.0  # residual of a point that moves with the camera, in one step

    least_support: float = 0.7  # share of the picture that one step's camera explains; else a frame between is asked
    still: float = 0.25  # pixels at half of the luma's size, against the background: less is no motion ...
    moves: float = 1.0  # ... and more surely is
    least_contrast: float = 0.1  # share of a square that moves, less the share of what surrounds it
    most_boxes: int = 4  # of one window
    least_confidence: float = 0.25  # of a track that is kept; less is surely nothing
    trusted: float = 0.75  # confidence of the tracks that the report counts as trusted
    most_overlay: float = 0.5  # share of the edges in a box that stand on the screen while the camera moves
    static: float = 0.8  # mean absolute grey difference of two frames that are the same picture
    same_picture: float = 0.98  # correlation of A and A' that teaches nothing ...
    keep_same: bool = False  # ... and is kept all the same, and flagged
    most_frames: int = 16  # whole frames kept for context prediction
    frame_seconds: float = 2.0  # seconds between them
    segment: int = 9000  # frames, five minutes; longer videos are cut at key frames, so that many workers mine them

    @classmethod
    def of(cls, settings: Settings, numbers: Mapping[str, Any]) -> "Mining":
        """Take the numbers from the settings; `numbers` are those that are not the usual ones, by name."""
        recipe = cls(
            segment=settings.segment_frames,
            keep_same=settings.same_pictures == "flag",
            trusted=settings.least_confidence,
        )
        return replace(recipe, **numbers)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return the frames from A to each A', the shortest first."""
        return self.track_length, *self.longer

    def __post_init__(self) -> None:
        object.__setattr__(self, "longer", tuple(self.longer))  # a list where it was read from JSON
        lengths = self.lengths
        if min(lengths) < self.step or any(length % self.step for length in (*lengths, self.stride)):
            raise InvalidInput(f"The track's length and the stride must be multiples of {self.step} frames.")
        if sorted(set(lengths)) != list(lengths):
            raise InvalidInput("Several track lengths must be given from the shortest to the longest, each once.")
