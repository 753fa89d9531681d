"""Benchmark of mining speed on one core: decoding alone, mining, and a straightforward OpenCV pipeline.

    python -m tests.benchmarks.mining_speed ../shared/data/videos [--clips 24]

Decoding includes the scaling of luma, as in mining. Mining is measured from the file to its finished shards. The three
alternate clip by clip, so that other load affects all of them. Goals:

- mining takes at most 2 × the time of decoding;
- it is at least 10 × faster than OpenCV's VideoCapture with DIS flow and KCF at 224 pixels (timed on each clip's first
  31 frames);
- two workers on two cores are at least 1.8 × as fast as one, in wall-clock time;
- peak memory does not depend on the length of a video: a separate process mines one clip, or the same clip repeated.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np

from graph.errors import BadVideo
from graph.shards import Shards
from workers.mining.decode import Clip
from workers.mining.isolated import mine_isolated, stop_children
from workers.mining.recipe import Limits, Mining
from workers.mining.video import mine
from workers.stages.ingest import frame_table, patch_table


def decode_only(path: Path) -> int:
    """Decode and scale the luma of every frame."""
    with Clip(path, Limits(), Mining()) as clip:
        return sum(1 for _ in clip.frames())


def from_file_to_shards(path: Path) -> int:
    """Mine a video and write its shards."""
    mined = mine(path)
    with TemporaryDirectory() as folder:
        shards = Shards(folder)
        shards.write(f"patches/{mined.video.id}", patch_table(mined))
        shards.write(f"frames/{mined.video.id}", frame_table(mined))
    return int(mined.report["taken"])


def by_workers(paths: list[Path], workers: int) -> float:
    """Mine in this number of concurrent processes, as a worker does; returns wall-clock seconds."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(mine_isolated, paths[:workers]))  # starts the processes
        began = time.monotonic()
        list(pool.map(mine_isolated, paths))
        return time.monotonic() - began


def straightforward(path: Path, frames: int = 31) -> int:
    """Read BGR frames at 600×400, compute dense flow for each, and track one box of 224 pixels."""
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


def repeated(path: Path, times: int, folder: Path) -> Path:
    """Write a video that repeats a clip's packets this number of times."""
    target = folder / f"{times}{path.suffix}"
    with av.open(str(target), "w") as output, av.open(str(path)) as first:
        stream = output.add_stream_from_template(first.streams.video[0])
        length = first.streams.video[0].duration
        for turn in range(times):
            with av.open(str(path)) as source:
                for packet in source.demux(video=0):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = stream
                    output.mux(packet)
    return target


_PEAK = """
import resource, sys
from pathlib import Path
from workers.mining.video import mine
mined = mine(Path(sys.argv[1]))
print(mined.video.frames, len(mined.tracks), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_memory(path: Path) -> tuple[int, int, int]:
    """Mine a video in a separate process; returns frames, tracks, and the process's peak memory in MiB."""
    said = subprocess.run([sys.executable, "-c", _PEAK, str(path)], check=True, capture_output=True, text=True).stdout
    frames, tracks, peak = map(int, said.split())
    return frames, tracks, peak


def main() -> None:
    """Time all three and print totals and ratios."""
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
            for name, work in (("decode", decode_only), ("mine", from_file_to_shards), ("opencv", straightforward)):
                began = time.process_time()
                counts[name] += work(path)
                seconds[name] += time.process_time() - began
        except BadVideo as error:
            print(error)
    each = {name: 1000 * seconds[name] / counts[name] for name in seconds}
    for name, value in each.items():
        print(f"{name:8s} {counts[name]:6d} frames {seconds[name]:7.2f} s  {value:6.2f} ms/frame")
    ours, theirs = each["mine"] / each["decode"], each["opencv"] / each["mine"]
    print(f"mining / decoding: {ours:.2f} ×; OpenCV's way / mining: {theirs:.1f} ×")
    one, two = by_workers(paths, 1), by_workers(paths, 2)
    stop_children()
    print(f"one worker {one:.1f} s, two workers {two:.1f} s: {one / two:.2f} ×")
    longest = max(paths, key=lambda path: path.stat().st_size)
    with TemporaryDirectory() as folder:
        for times in (1, 4, 16):
            frames, tracks, peak = peak_memory(repeated(longest, times, Path(folder)))
            print(f"{longest.name} {times:2d} times: {frames:6d} frames, {tracks:4d} tracks, peak memory {peak} MiB")


if __name__ == "__main__":
    main()
