"""Comparison of mining's decoding with NVDEC and with the CPU: use of the device, speed, and equality of pictures.

    python -m tests.benchmarks.mining_nvdec VIDEOS [--most 6]

The time includes opening a video on the device. The pictures' format shows the decoder: NVDEC gives nv12.
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import numpy as np

from workers.mining import container
from workers.mining.decode import Clip
from workers.mining.recipe import Limits, Mining
from workers.mining.view import Luma

NOWHERE = Path("/dev/there is no such device")


def run(path: Path) -> tuple[list[Luma], str, float]:
    """Return a decoded video's lumas, its commonest picture format, and the seconds of decoding."""
    began = time.perf_counter()
    lumas, formats = [], Counter[str]()
    with Clip(path, Limits(), Mining()) as clip:
        for frame in clip.frames():
            assert frame.picture is not None
            formats[frame.picture.format.name] += 1
            lumas.append(frame.luma)
    return lumas, formats.most_common(1)[0][0], time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--most", type=int, default=6, help="videos, the largest files first")
    given = parser.parse_args()
    print(f"device: {'there' if container.NVIDIA.exists() else 'none: both columns are this processor'}")
    print("| video | frames | on the device | frames/s | on this processor | frames/s | equal lumas |")
    print("|---|---|---|---|---|---|---|")
    files = sorted(given.videos.glob("*.mp4"), key=lambda file: -file.stat().st_size)[: given.most]
    run(files[0])  # loads the driver
    for path in files:
        ours, form, seconds = run(path)
        with patch.object(container, "NVIDIA", NOWHERE):
            theirs, software_form, software_seconds = run(path)
        equal = sum(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=False))
        frames = f"{len(ours)}" if len(ours) == len(theirs) else f"{len(ours)} against {len(theirs)}"
        print(
            f"| {path.name} | {frames} | {form} | {len(ours) / seconds:.0f} | {software_form} | "
            f"{len(theirs) / software_seconds:.0f} | {equal} |"
        )


if __name__ == "__main__":
    main()
