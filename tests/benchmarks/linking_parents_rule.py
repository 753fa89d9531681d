"""Purity and number of edges for several numbers of parents K, on labelled images with HOG features.

    python -m tests.benchmarks.linking_parents_rule DIR      DIR has a folder of images for each class

Labels are used only for measuring. PARENTS_EXPONENT was chosen by this table.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from graph.linking.parameters import PAPER, parent_count
from graph.linking.run import Linking, link
from graph.records import Patch

SEEDS = 3


def hog_features(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the HOG features of each image's central square at 96×96, and the number of its class."""
    hog = cv2.HOGDescriptor((96, 96), (24, 24), (12, 12), (12, 12), 9)
    vectors, labels = [], []
    for number, kind in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for file in sorted(kind.iterdir()):
            image = cv2.imread(str(file))
            side = min(image.shape[:2])
            top, left = ((size - side) // 2 for size in image.shape[:2])
            square = image[top : top + side, left : left + side]
            vectors.append(hog.compute(cv2.resize(square, (96, 96), interpolation=cv2.INTER_AREA)).ravel())
            labels.append(number)
    return np.array(vectors, np.float16), np.array(labels)


def measure(vectors: np.ndarray, labels: np.ndarray, count: int, parents: int, seed: int) -> tuple[float, float, float]:
    """Return edges per patch, the share of edges within a class, and of patches in their parent's commonest class."""
    rows = np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))
    patches = [Patch(f"{row:016x}", f"video {row}", 0, 0.0, 0, 0, 96, 96, "start") for row in rows]
    linking: Linking = link(vectors[rows], patches, replace(PAPER, parents=parents, seed=seed))
    kinds = labels[rows]
    same = kinds[linking.pairs[:, 0]] == kinds[linking.pairs[:, 1]]
    commonest = sum(np.bincount(kinds[linking.parents == parent]).max() for parent in range(len(linking.parent_sizes)))
    return len(same) / count, float(same.mean()), commonest / linking.parent_sizes.sum()


def main() -> None:
    vectors, labels = hog_features(Path(sys.argv[1]))
    print(f"{len(vectors)} images of {labels.max() + 1} classes; mean of {SEEDS} seeds")
    print("| patches | K | patches per parent | edges per patch | purity of edges | purity of parents |")
    print("|---|---|---|---|---|---|")
    for count in (500, 1000, 2000):
        rule = parent_count(count)
        for parents in sorted(
            {rule, *(max(1, count // size) for size in (12, 25, 50, 100, 200, 400, count))}, reverse=True
        ):
            runs = np.array([measure(vectors, labels, count, parents, seed) for seed in range(SEEDS)])
            edges, purity, parent_purity = runs.mean(axis=0)
            mark = " (rule)" if parents == rule else ""
            cells = f"{parents}{mark} | {count / parents:.0f} | {edges:.2f} | {purity:.0%} | {parent_purity:.0%}"
            print(f"| {count} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
