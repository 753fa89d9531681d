"""The numbers of mining, each with its reason, and the limits one video must keep: what `mine` is told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graph.errors import InvalidInput
from graph.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one video may take before it is refused."""

    seconds: float = 3600.0
    memory_mb: int = 4096
    max_pixels: int = 3840 * 2160 * 2
    max_frames: int = 2_000_000

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take the limits from the settings."""
        return cls(settings.mining_seconds, settings.mining_memory_mb, settings.max_pixels, settings.max_frames)


@dataclass(frozen=True, slots=True)
class Mining:
    """Sizes are pixels of the luma that mining works on: half of a frame of about 600×400 (section 4.1)."""

    track_length: int = 30  # frames from A to A' (section 4.3; 15 in the ablation)
    stride: int = 15  # frames between the first frames of two windows; they overlap in time by half
    working_area: int = 600 * 400  # pixels of the working frame (4.1)
    crop: int = 227  # side of a patch, in pixels of the working frame (4.1)
    patch: int = 96  # side of a stored patch (4.1)
    core: int = 104  # side of the tracked middle, in pixels of the working frame; 227 drifts onto background
    full_rate: float = 40.0  # videos with more frames a second are taken with a stride

    step: int = 5  # frames between two Lucas-Kanade steps
    cell: int = 8  # one corner per cell of this side, so that plain objects get points as well
    corner_quality: float = 4e-4  # smallest eigenvalue of a corner, of luma in 0..1 over 3×3
    backward_error: float = 0.7  # a point is lost when tracking it back misses by more
    inlier: float = 1.0  # residual of a point that moves with the camera, in one step
    standing: float = 0.25  # most points move less than this in one step: the camera stands
    net_motion: float = 1.5  # a point moves when its summed residual is longer than this ...
    coherence: float = 0.6  # ... and is this share of the way it went

    least_moving: int = 6  # moving points in a box ...
    doubt: float = 0.25  # ... and these more for each point in it that stands on the screen: others may be its edges
    least_core_share: float = 0.4  # share of the core's points that move
    most_moving: float = 0.45  # of all points; above it everything moves: flash, water, depth seen from a moving camera
    least_inliers: float = 0.3  # of the points in one step; below it the homography is not supported
    most_camera: float = 0.5  # of the frame's width, over the window
    static: float = 0.8  # mean absolute grey difference of two frames that are the same picture
    same_picture: float = 0.98  # correlation of A and A' that teaches nothing ...
    keep_same: bool = False  # ... and is kept all the same, and flagged
    alike: float = 1.0  # points of an object part from their median by less than this share of its motion
    parallax: float = 0.12  # of the camera's way; less motion than this may be depth alone
    least_agreement: float = 0.6  # how much nearer to the object's way than to the background's a track stays
    least_peak: float = 0.15  # mean response of the tracker
    most_frames: int = 16  # whole frames kept for context prediction
    frame_seconds: float = 2.0  # seconds between them
    segment: int = 9000  # frames, five minutes; longer videos are cut at key frames, so that many workers mine them

    @classmethod
    def of(cls, settings: Settings, numbers: Mapping[str, Any]) -> "Mining":
        """Take the numbers from the settings; `numbers` are those that are not the usual ones, by name."""
        recipe = cls(segment=settings.segment_frames, keep_same=settings.same_pictures == "flag")
        return replace(recipe, **numbers)

    def __post_init__(self) -> None:
        if self.track_length % self.step or self.stride % self.step:
            raise InvalidInput(f"The track's length and the stride must be multiples of {self.step} frames.")
