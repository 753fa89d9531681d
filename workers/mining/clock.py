"""Frame rate and time stamps: the rate is the number of frames divided by the time, and times are increasing."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_LEAST_GAP = 0.5  # seconds; half of a track at 30 frames a second
_GAP_FRAMES = 8  # a gap of a slow camera, in frames
_AGREES = 0.02  # maximum relative difference of the container's rate from the measured one, plus one frame
_USUAL = 25.0  # frames a second, if the stream states no rate


def gap_seconds(fps: float) -> float:
    """Longest time between two frames of one shot, in seconds."""
    return max(_LEAST_GAP, _GAP_FRAMES / fps)


def measured_rate(times: Sequence[int], keys: Sequence[int], time_base: Fraction) -> float:
    """Count frames over time, without gaps and jumps, in frames a second; 0 where fewer than two times are known.

    `times` are the packets' presentation times in the file's order, in units of `time_base`; `keys` is true for key
    frames. A key frame that is shown no later than what came before it begins a new clock: a camera that starts again.
    """
    shown = np.asarray(times, np.int64)
    if len(shown) < 2:
        return 0.0
    back = shown[1:] <= np.maximum.accumulate(shown)[:-1]
    restarts = 1 + np.flatnonzero(back & np.asarray(keys, bool)[1:])
    steps = np.concatenate([np.diff(np.sort(run)) for run in np.split(shown, restarts)]) * float(time_base)
    return _rate_of(steps)


def _rate_of(steps: NDArray[np.float64]) -> float:
    """Divide the number of steps by their sum, in 1/s; steps longer than a gap are not counted."""
    if not (steps > 0).any():
        return 0.0
    usual = float(np.median(steps[steps > 0]))
    within = steps[steps <= gap_seconds(1 / usual)]
    return float(len(within) / within.sum())


def frame_rate(measured: float, frames: int, claims: Sequence[Fraction | None]) -> float:
    """Choose the rate: the container's claim that is nearest to `measured` where it agrees, else `measured` itself."""
    stated = [float(claim) for claim in claims if claim and claim > 0]
    if not measured:
        return next((claim for claim in stated if claim <= 1000), _USUAL)
    nearest = min(stated, key=lambda claim: abs(claim - measured), default=measured)
    return nearest if abs(nearest / measured - 1) <= _AGREES + 1 / frames else measured


class Clock:
    """Times of the frames of one stream, in seconds from its start; each is later than the one before."""

    def __init__(self, time_base: Fraction | None, start: int | None, fps: float, invented: bool = False) -> None:
        """Count in units of `time_base` from `start`; `fps` fills in for frames that carry no time.

        `invented` says that the container has no presentation times, so that FFmpeg invents them.
        """
        self._unit = time_base
        self._start = start or 0
        self._frame = 1 / fps
        self._gap = gap_seconds(fps)
        self._from: int | None = None  # the stream's time that `_offset` stands for
        self._offset = 0.0
        self._last: float | None = None
        self._stamps = _Stamps(invented)

    def tick(self, shown: int | None, decoded: int | None) -> tuple[float, bool]:
        """Return the next frame's time in seconds, and whether the clock jumped before it, either way.

        `shown` and `decoded` are the frame's presentation and decoding times in the stream's unit.
        """
        time = self._stamps.better(shown, decoded)
        last = self._last
        following = 0.0 if last is None else last + self._frame
        if time is None or self._unit is None:
            self._last = following
            return following, False
        if self._from is None:  # the first frame with a time stamp
            from_here = last is not None or time < self._start
            self._from, self._offset = (time, following) if from_here else (self._start, 0.0)
        seconds = float((time - self._from) * self._unit) + self._offset
        step = None if last is None else seconds - last
        if step is None or step > 0:
            self._last = seconds
            return seconds, step is not None and step > self._gap
        self._from, self._offset = time, following
        self._last = following
        assert step is not None  # noqa: S101
        return following, step < -self._frame / 2


class _Stamps:
    """Choice between presentation and decoding times: those that fell back less often, as FFmpeg chooses.

    AVI files have no presentation times, and the times that FFmpeg invents for them are out of order.
    """

    def __init__(self, invented: bool) -> None:
        self._last: list[int | None] = [None, None]
        self._faults = [int(invented), 0]

    def better(self, shown: int | None, decoded: int | None) -> int | None:
        """Return the more reliable time of the next frame."""
        for kind, time in enumerate((shown, decoded)):
            last = self._last[kind]
            if time is not None:
                self._faults[kind] += last is not None and time <= last
                self._last[kind] = time
        # The last frames may have no decoding time, and their presentation times do not continue those before.
        trusts_decoded = self._last[1] is not None and self._faults[0] > self._faults[1]
        return decoded if shown is None or trusts_decoded else shown
