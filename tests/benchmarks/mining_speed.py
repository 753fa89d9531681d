"""Videos in; the time of decoding alone, of mining, and of the straightforward OpenCV way, on one core, out.

    python -m tests.benchmarks.mining_speed ../shared/data/videos [--clips 24]

The three take turns clip by clip, so that a busy machine is busy for all. Wanted: mining ≤ 2 × decoding, and ≥ 10 ×
faster than OpenCV's VideoCapture with DIS flow and KCF at 224 pixels (timed on each clip's first 31 frames).
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from workers.mining.decode import Clip
from workers.mining.recipe import Limits, Mining
from workers.mining.video import mine


def decode_only(path: Path) -> int:
    """Decode and scale the luma of every frame."""
    with Clip(path, Limits(), Mining()) as clip:
        return sum(1 for _ in clip.frames())


def straightforward(path: Path, frames: int = 31) -> int:
    """Read BGR frames, compute dense flow for each, follow one box of 224 in 600×400."""
    reader = cv2.VideoCapture(str(path))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    tracker, before, count = None, None, 0
    while count < frames:
        there, frame = reader.read()
        if not there:
            break
        scale = np.sqrt(240_000 / (frame.shape[0] * frame.shape[1]))
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if tracker is None:
            tracker = cv2.TrackerKCF.create()
            tracker.init(frame, (60, 60, 224, 224))
        else:
            flow.calc(before, grey, None)
            tracker.update(frame)
        before, count = grey, count + 1
    return count


def main() -> None:
    """Time all three, print totals and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(p for p in arguments.folder.iterdir() if p.is_file())
    paths = [paths[i] for i in np.random.default_rng(arguments.seed).permutation(len(paths))[: arguments.clips]]
    seconds, counts = {"decode": 0.0, "mine": 0.0, "opencv": 0.0}, {"decode": 0, "mine": 0, "opencv": 0}
    mine(paths[0])
    for path in paths:
        try:
            for name, work in (("decode", decode_only), ("mine", mine), ("opencv", straightforward)):
                began = time.process_time()
                done = work(path)
                seconds[name] += time.process_time() - began
                counts[name] += done if isinstance(done, int) else done.report["taken"]
        except BadVideo as error:
            print(error)
    each = {name: 1000 * seconds[name] / counts[name] for name in seconds}
    for name, value in each.items():
        print(f"{name:8s} {counts[name]:6d} frames {seconds[name]:7.2f} s  {value:6.2f} ms/frame")
    ours, theirs = each["mine"] / each["decode"], each["opencv"] / each["mine"]
    print(f"mining / decoding: {ours:.2f} ×; OpenCV's way / mining: {theirs:.1f} ×")


if __name__ == "__main__":
    main()
