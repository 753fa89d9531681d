"""The parameters of mining, and the resource limits for one video."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graph.errors import InvalidInput
from graph.settings import LEAST_CONFIDENCE, Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of mining one video; a video that exceeds one is refused."""

    seconds: float = 3600.0  # total time
    stall_seconds: float = 120.0  # time without progress
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
    """The parameters of mining.

    Frames are scaled to a working frame of about 600×400 pixels (section 4.1). Motion is measured on the luma, which
    has half the working frame's width and height. Sizes are pixels of the luma if nothing else is said.
    """

    track_length: int = 30  # frames from A to A' (section 4.3; 15 in the ablation)
    longer: tuple[int, ...] = ()  # longer lengths, at which A also gets an A' while its track is trusted
    stride: int = 15  # frames between the first frames of two windows, which overlap by half
    working_area: int = 600 * 400  # pixels of the working frame (4.1)
    crop: int = 227  # side of a patch, in pixels of the working frame (4.1)
    crop_follows_size: bool = True  # adapt the crop to objects too large or too small for `crop`; the paper does not
    patch: int = 96  # side of a stored patch (4.1)
    full_rate: float = 40.0  # frames a second; of faster videos, only every second frame is read, or every third …

    step: int = 5  # frames between two anchor frames, in which motion is measured
    cell: int = 10  # side of a grid cell; each cell gives one corner
    corner_quality: float = 4e-4  # minimum eigenvalue of a corner, for luma in 0..1 and a window of 3×3
    backward_error: float = 0.35  # maximum forward-backward error of a tracked point
    inlier: float = 0.7  # maximum residual of a point that moves with the camera, in one step

    least_support: float = 0.7  # share of the picture explained by the camera; below it, a frame between is used too
    still: float = 0.25  # residual in pixels at half of the luma's size; smaller residuals are no motion ...
    moves: float = 1.0  # ... and larger ones are certain motion
    least_contrast: float = 0.1  # minimum share of moving pixels in a square, minus the share in its surroundings
    most_boxes: int = 4  # maximum number of boxes in a window
    least_confidence: float = 0.25  # minimum confidence of a kept track
    trusted: float = LEAST_CONFIDENCE  # minimum confidence of a track that the report counts as trusted
    most_overlay: float = 0.5  # maximum share of a box's edges that are fixed on the screen while the camera moves
    static: float = 0.8  # mean absolute grey difference below which two frames are the same picture
    same_picture: float = 0.98  # correlation of A and A' above which the pair is one picture twice ...
    keep_same: bool = False  # ... and is refused; if true, it is kept and flagged
    most_frames: int = 16  # maximum number of whole frames kept for context prediction
    frame_seconds: float = 2.0  # seconds between two of them
    segment: int = 9000  # frames (five minutes); longer videos are cut at key frames and mined by several workers

    @classmethod
    def of(cls, settings: Settings, numbers: Mapping[str, Any]) -> "Mining":
        """Take the parameters from the settings; `numbers` replaces fields by name."""
        recipe = cls(
            segment=settings.segment_frames,
            keep_same=settings.same_pictures == "flag",
            trusted=settings.least_confidence,
        )
        return replace(recipe, **numbers)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return the numbers of frames from A to each A', shortest first."""
        return self.track_length, *self.longer

    def __post_init__(self) -> None:
        object.__setattr__(self, "longer", tuple(self.longer))  # JSON gives a list
        lengths = self.lengths
        if min(lengths) < self.step or any(length % self.step for length in (*lengths, self.stride)):
            raise InvalidInput(f"The track's length and the stride must be multiples of {self.step} frames.")
        if sorted(set(lengths)) != list(lengths):
            raise InvalidInput("Several track lengths must be given from the shortest to the longest, each once.")
