"""Sheets of 100 windows that gave no track, drawn in proportion to their reasons, to be looked at and counted.

    python -m tests.benchmarks.mining_refused ../shared/data/videos --sheet refused.png [--part tune|report|all]

Each cell shows a window's first and last picture, and what moves in the first. A window without boxes has its own
reason; one whose boxes were all refused has that of the first.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from tests.benchmarks.mining_pairs import is_tuning
from workers.mining.recipe import Mining
from workers.mining.sheet import write_png
from workers.mining.tracks import Track
from workers.mining.video import mine
from workers.mining.windows import Seen

_CELL, _COLUMNS = (150, 100), 4


def reason_of(seen: Seen, trust: float) -> str:
    """Say why a window gave no track of this trust; empty where it gave one."""
    if seen.reason:
        return seen.reason
    kept = [track for (track, *_) in seen.tracks if isinstance(track, Track)]
    if any(track.confidence >= trust for track in kept):
        return ""
    return "kept with low trust" if kept else str(seen.tracks[0][0])


def picture(seen: Seen) -> np.ndarray:
    """Draw a window's first and last picture, and what moves in the first."""
    cells = [cv2.resize(np.ascontiguousarray(colour), _CELL) for colour in seen.ends[0].colours]
    moving = np.zeros(_CELL[::-1], np.float32) if seen.scene is None else seen.scene.moving[seen.anchor]
    grey = (cv2.resize(moving, _CELL) * 255).astype(np.uint8)
    return np.concatenate([*cells, np.repeat(grey[..., None], 3, axis=2)], axis=1)


def main() -> None:
    """Mine, draw lots, write the sheet, print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--part", choices=("all", "tune", "report"), default="tune")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    trust = Mining().trusted
    for path in sorted(p for p in arguments.folder.iterdir() if p.is_file()):
        if arguments.part != "all" and is_tuning(path.name) != (arguments.part == "tune"):
            continue

        def watch(seen: Seen, path: Path = path) -> None:
            reason = reason_of(seen, trust)
            if reason:
                found[reason].append((f"{path.name[:18]} {seen.ends[0].first.index}", picture(seen)))

        try:
            mine(path, watch=watch)
        except BadVideo as error:
            print(error)
    total = sum(map(len, found.values()))
    if not total:
        print("no window was refused")
        return
    random = np.random.default_rng(arguments.seed)
    cells = []
    for reason, windows in sorted(found.items(), key=lambda item: -len(item[1])):
        drawn = round(arguments.count * len(windows) / total)
        print(
            f"{reason:40s} {len(windows):4d} windows, {drawn} drawn: numbers {len(cells)} to {len(cells) + drawn - 1}"
        )
        for index in sorted(random.permutation(len(windows))[:drawn]):
            name, tile = windows[index]
            cell = np.full((_CELL[1] + 16, 3 * _CELL[0] + 4, 3), 20, np.uint8)
            cell[: _CELL[1], : 3 * _CELL[0]] = tile
            text = f"{len(cells)} {name} {reason[:24]}"
            cv2.putText(cell, text, (2, _CELL[1] + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1)
            cells.append(cell)
    cells += [np.zeros_like(cells[0])] * (-len(cells) % _COLUMNS)
    rows = [np.concatenate(cells[i : i + _COLUMNS], axis=1) for i in range(0, len(cells), _COLUMNS)]
    write_png(arguments.sheet, np.concatenate(rows, axis=0))


if __name__ == "__main__":
    main()
