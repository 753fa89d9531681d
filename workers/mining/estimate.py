"""Estimate of the patches, disk space and time of an ingestion, from the files' packets without decoding."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from graph.settings import Settings
from workers.mining.isolated import count_isolated
from workers.mining.recipe import Limits, Mining
from workers.mining.scene import watch

# Measured by `python -m tests.benchmarks.mining_estimate ../shared/data/videos --clips 40`, two cores of an AMD EPYC,
# 2026-11-28; the patches, on 130 clips with the trust of docs/decisions/0111. The last two are measured by nothing in
# the repository (docs/decisions/0103).
_PATCHES_PER_WINDOW = 3.14
_BYTES_PER_PATCH = 4_800  # in the shard; a JPEG of quality 95 at 96×96
_BYTES_PER_FRAME = 65_000  # a whole frame for context prediction
_SECONDS_PER_FRAME = 0.00155  # for motion, boxes and tracks
_SECONDS_PER_PIXEL = 2.2e-9  # decoding and scaling
_SECONDS_OF_PROBE = 0.013  # what `probe` takes on the measured machine
_SECONDS_PER_VIDEO = 0.065  # for the queue and the graph; a large share for short clips
_SECONDS_AT_START = 25.0  # processor time of the command's start and Neo4j's warm-up, summed over all cores


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated patches, disk space and time."""

    videos: int
    unreadable: int
    frames: int
    patches: int
    bytes: int
    minutes: float

    def text(self) -> str:
        """Describe the estimate in one text."""
        lost = f", {self.unreadable} that cannot be read" if self.unreadable else ""
        return (
            f"{self.videos} videos{lost}: {self.frames:,} frames, about {self.patches:,} patches, "
            f"{self.bytes / 1e6:,.0f} MB of disk and {self.minutes:,.1f} minutes"
        )


def estimate(paths: Sequence[Path], settings: Settings | None = None) -> Estimate:
    """Read the packets of each file, without decoding, and multiply by measured rates.

    `minutes` assumes `settings.mining_workers` videos at once (0: one per core), a newly started stack, and this
    machine's present speed.
    """
    recipe = Mining()
    limits = Limits.of(settings) if settings else Limits()
    unreadable = frames = windows = kept = 0
    seconds = 0.0
    for path in paths:
        try:
            count = count_isolated(path, limits)
        except BadVideo:
            unreadable += 1
            continue
        frames += count.frames
        seconds += _SECONDS_PER_VIDEO + count.frames * (
            _SECONDS_PER_FRAME / count.every + _SECONDS_PER_PIXEL * count.width * count.height
        )
        taken = count.frames // count.every
        if taken > recipe.track_length:
            windows += (taken - recipe.track_length - 1) // recipe.stride + 1
        kept += min(recipe.most_frames, 1 + int(count.frames / count.fps / recipe.frame_seconds))
    patches = round(windows * _PATCHES_PER_WINDOW)
    workers = (settings.mining_workers if settings else 0) or os.cpu_count() or 1
    return Estimate(
        videos=len(paths) - unreadable,
        unreadable=unreadable,
        frames=frames,
        patches=patches,
        bytes=patches * _BYTES_PER_PATCH + kept * _BYTES_PER_FRAME,
        minutes=round((seconds + _SECONDS_AT_START) * _slowness() / 60 / max(1, min(workers, len(paths))), 2),
    )


def _slowness() -> float:
    """Return this machine's time for the probe, divided by that of the measured machine."""
    times = []
    for _ in range(7):
        began = time.perf_counter()
        probe()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) / _SECONDS_OF_PROBE


def probe() -> None:
    """Do a fixed piece of mining work."""
    cv2.setNumThreads(1)  # as mining does
    random = np.random.default_rng(0)
    ground = np.kron(random.integers(0, 255, (60, 90), np.uint8), np.ones((4, 4), np.uint8))
    lumas = [np.ascontiguousarray(ground[k : 200 + k, 2 * k : 300 + 2 * k]) for k in range(7)]
    watch(lumas, Mining(step=1, stride=15))
