"""Measurement of the rates by which `workers/mining/estimate.py` multiplies.

    python -m tests.benchmarks.mining_estimate ../shared/data/videos [--clips 60]

Each clip is mined from the file to its shards. The seconds are processor time, which other load changes little. They
are fitted as a sum of parts per frame, per decoded pixel and per video. The probe is timed between clips.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from scipy.optimize import nnls

from graph.errors import BadVideo
from graph.shards import Shards
from workers.mining.estimate import probe
from workers.mining.video import mine
from workers.stages.ingest import frame_table, patch_table


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(p for p in arguments.folder.iterdir() if p.is_file())
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: arguments.clips]]
    mine(paths[0])
    rows, seconds, probes = [], [], []
    windows = patches = patch_bytes = frames = frame_bytes = 0
    for path in paths:
        began = time.process_time()
        try:
            mined = mine(path)
        except BadVideo as error:
            print(error)
            continue
        with TemporaryDirectory() as folder:
            shards = Shards(folder)
            shards.write(f"patches/{mined.video.id}", patch_table(mined))
            shards.write(f"frames/{mined.video.id}", frame_table(mined))
        seconds.append(time.process_time() - began)
        video, report = mined.video, mined.report
        rows.append([report["taken"], video.frames * video.width * video.height, 1])
        windows, patches = windows + report["windows"], patches + len(mined.patches)
        patch_bytes += sum(map(len, mined.jpegs))
        frames, frame_bytes = frames + len(mined.frames), frame_bytes + sum(len(jpeg) for _, jpeg in mined.frames)
        began = time.process_time()
        probe()
        probes.append(time.process_time() - began)
    measured, scale = np.array(rows, float), np.array([1e3, 1e8, 1])
    rates, _ = nnls(measured / scale, np.array(seconds))
    per_frame, per_pixel, per_video = rates / scale
    explained = float((measured / scale @ rates).sum())
    print(f"{len(rows)} clips, {sum(seconds):.1f} s, of which the rates explain {explained:.1f} s")
    print(f"patches per window {patches / windows:.2f}")
    print(f"bytes per patch {patch_bytes / patches:.0f}, per whole frame {frame_bytes / frames:.0f}")
    print(f"seconds per frame {per_frame:.2e}, per pixel {per_pixel:.2e}, per video {per_video:.3f}")
    print(f"seconds of the probe {np.median(probes):.4f}")


if __name__ == "__main__":
    main()
