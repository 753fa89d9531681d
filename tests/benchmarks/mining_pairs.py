"""Contact sheet of 64 random pairs (A, A') for counting the right ones by eye.

python -m tests.benchmarks.mining_pairs FOLDER --sheet pairs.png [--clips 60] [--seed 0]
"""

import argparse
import time
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from graph.settings import LEAST_CONFIDENCE
from workers.mining.isolated import mine_isolated, stop_children
from workers.mining.sheet import write_png

_PAIRS, _COLUMNS = 64, 8


def is_tuning(name: str) -> bool:
    """Return whether a clip belongs to the tuning half, by the hash of its name."""
    return blake2b(name.encode(), digest_size=8).digest()[0] % 2 == 0


def main() -> None:
    """Mine the clips, write the sheet of a random sample, print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=0, help="mine a random part; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trust", type=float, default=LEAST_CONFIDENCE, help="least confidence of a pair that counts")
    parser.add_argument("--part", choices=("all", "tune", "report"), default="all", help="half of the clips, by name")
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    paths = sorted(p for p in arguments.folder.iterdir() if p.is_file())
    if arguments.part != "all":
        paths = [path for path in paths if is_tuning(path.name) == (arguments.part == "tune")]
    if arguments.clips:
        paths = [paths[i] for i in sorted(random.permutation(len(paths))[: arguments.clips])]
    pairs: list[tuple[str, int, bytes, bytes]] = []
    windows, tracks, failures, minutes, began = Counter(), Counter(), [], 0.0, time.monotonic()
    used = total = kept = 0
    for path in paths:
        try:
            mined = mine_isolated(path)
        except BadVideo as error:
            failures.append(str(error))
            continue
        minutes += mined.video.duration_s / 60
        windows.update(mined.report["refused_windows"])
        tracks.update(mined.report["refused_tracks"])
        total += mined.report["windows"]
        used += mined.report["windows"] - sum(mined.report["refused_windows"].values())
        kept += len(mined.tracks)
        for number in range(0, len(mined.patches), 2):
            if mined.tracks[number // 2].confidence < arguments.trust:
                continue
            pairs.append((path.name, mined.patches[number].frame, mined.jpegs[number], mined.jpegs[number + 1]))
    stop_children()
    chosen = sorted(random.permutation(len(pairs))[:_PAIRS])
    cells = []
    for number, index in enumerate(chosen):
        name, frame, *jpegs = pairs[index]
        both = [cv2.imdecode(np.frombuffer(j, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for j in jpegs]
        cell = np.full((116, 200, 3), 20, np.uint8)
        cell[2:98, 2:194] = np.concatenate(both, axis=1)
        cv2.putText(cell, f"{number} {name[:22]} {frame}", (2, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 255), 1)
        cells.append(cell)
        print(f"{number:3d} {name} frame {frame}")
    cells += [np.zeros((116, 200, 3), np.uint8)] * (-len(cells) % _COLUMNS)
    rows = [np.concatenate(cells[i : i + _COLUMNS], axis=1) for i in range(0, len(cells), _COLUMNS)]
    write_png(arguments.sheet, np.concatenate(rows, axis=0))
    print(
        f"{len(paths)} clips, {minutes:.1f} minutes, {len(pairs)} tracks ({len(pairs) / max(minutes, 1e-9):.0f}/minute)"
    )
    print(f"{kept} tracks of any trust")
    print(f"{used} of {total} windows used; refused windows {dict(windows)}; refused tracks {dict(tracks)}")
    print(f"{len(failures)} failed: {failures}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
