"""Measurement of mining against masks: how many tracks start and end on the moving object of DAVIS sequences.

    python -m tests.benchmarks.mining_moving ../shared/data/moving [--trust 0.5]

`boxes.tsv` in the folder has the columns class, seq, frame, x, y, w, h: the box around the mask in every frame, in
pixels of `davis_<seq>.mp4`. A patch is on the object if the two boxes share at least half of the smaller one. Nothing
is tuned on this folder.
"""

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

from graph.records import Patch
from graph.settings import LEAST_CONFIDENCE
from workers.mining.video import mine

Box = tuple[float, float, float, float]


def truth(folder: Path) -> dict[str, dict[int, Box]]:
    """Read the box of each frame of each sequence."""
    boxes: dict[str, dict[int, Box]] = defaultdict(dict)
    with (folder / "boxes.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            x, y, w, h = (float(row[name]) for name in "xywh")
            boxes[row["seq"]][int(row["frame"])] = (x, y, w, h)
    return boxes


def on_object(patch: Patch, box: Box | None) -> bool:
    """Return whether the boxes share half of the smaller one; False if the object is not in the picture."""
    if box is None:
        return False
    x, y, w, h = box
    across = min(patch.x + patch.w, x + w) - max(patch.x, x)
    down = min(patch.y + patch.h, y + h) - max(patch.y, y)
    return max(0.0, across) * max(0.0, down) >= 0.5 * min(patch.w * patch.h, w * h)


def main() -> None:
    """Print one line per sequence and the totals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trust", type=float, default=LEAST_CONFIDENCE, help="count tracks of this confidence or more")
    arguments = parser.parse_args()
    found, starts, ends, total = 0, 0, 0, 0
    boxes = truth(arguments.folder)
    for name, of_frame in sorted(boxes.items()):
        (path,) = arguments.folder.glob(f"*{name}.mp4")
        mined = mine(path)
        patches = {patch.id: patch for patch in mined.patches}
        kept = [t for t in mined.tracks if t.confidence >= arguments.trust]
        first = [on_object(patches[t.start_id], of_frame.get(patches[t.start_id].frame)) for t in kept]
        last = [on_object(patches[t.end_id], of_frame.get(patches[t.end_id].frame)) for t in kept]
        report = mined.report
        refused = Counter(report["refused_windows"]) + Counter(report["refused_tracks"])
        reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common())
        print(f"{name:20s} windows {report['windows']:2d} cuts {report['cuts']} tracks {len(kept):2d} ", end="")
        print(f"starts on {sum(first):2d} ends on {sum(last):2d}  ({reasons})")
        found, total = found + any(first), total + len(kept)
        starts, ends = starts + sum(first), ends + sum(last)
    print(f"sequences with a start on the object: {found} of {len(boxes)}")
    print(f"starts on the object: {starts} of {total}; ends on the object: {ends} of {total}")


if __name__ == "__main__":
    main()
