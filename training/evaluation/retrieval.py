"""Retrieval among labelled pictures: how often nearest neighbours share the label (section 6.1).

No training reads this module or its pictures: labels serve for measuring only.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graph.errors import InvalidInput
from graph.nearest import nearest_by_cosine
from training.pictures import SIDE, SUFFIXES, picture_to_patch

_NEAREST = 20


def labelled_files(folder: Path) -> tuple[list[tuple[Path, int]], list[str]]:
    """List a folder of one folder per class (ImageFolder): (file, label) and class names.

    Raises `InvalidInput` for fewer than two classes.
    """
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if len({label for _, label in found}) < 2:
        raise InvalidInput(f"{folder} must hold one folder of pictures per class, and at least two classes.")
    return found, classes


def labelled_pictures(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Read such a folder: (N, 96, 96, 3) centre squares, (N,) labels, class names; raises `InvalidInput`."""
    found, classes = labelled_files(folder)
    pictures = np.empty((len(found), SIDE, SIDE, 3), np.uint8)
    for index, (path, _) in enumerate(found):
        pictures[index] = picture_to_patch(str(path), path.read_bytes())
    return pictures, np.array([label for _, label in found], np.int64), classes


def neighbours(vectors: NDArray[np.floating], most: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest other vectors of each of (N, D) by cosine, nearest first: (N, most) rows and their cosines."""
    precise = vectors.astype(np.float32)
    unit = precise / np.maximum(np.linalg.norm(precise, axis=1, keepdims=True), 1e-12)
    most = min(most, len(unit) - 1)
    rows, cosines = nearest_by_cosine(unit, unit, most + 1)
    others = rows != np.arange(len(unit))[:, None]
    # If many vectors equal a row, the row may be missing from its own list. Its last entry is dropped instead.
    others[others.all(axis=1), -1] = False
    return rows[others].reshape(-1, most), cosines[others].reshape(-1, most)


def retrieval(vectors: NDArray[np.floating], labels: NDArray[np.int64]) -> dict[str, float]:
    """Measure (N, D) vectors against (N,) labels; each picture is a query among all others.

    Returns:
        precision@1, @5, @10: share of the nearest k with the query's label.
        mAP@R: precision averaged over the ranks of hits among the nearest R; R is the number of others with that label
            (Musgrave et al. 2020).
        kNN-20: accuracy of the majority label of the nearest 20; ties go to the nearer.
    """
    count = np.bincount(labels)
    among = count[labels] - 1
    asked = among > 0
    rows, _ = neighbours(vectors, max(int(among.max()), _NEAREST))
    hit = labels[rows] == labels[:, None]
    place = np.arange(1, rows.shape[1] + 1)
    precision = np.cumsum(hit, axis=1) / place
    inside = hit & (place[None] <= among[:, None])
    out = {f"precision@{k}": float(precision[asked, k - 1].mean()) for k in (1, 5, 10) if k <= rows.shape[1]}
    out["mAP@R"] = float(((precision * inside).sum(1)[asked] / among[asked]).mean())
    out["kNN-20"] = float((majority(labels[rows[:, :_NEAREST]], len(count)) == labels).mean())
    return out


def majority(votes: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the (N,) most frequent labels of (N, K) votes, nearest first; a tie goes to the nearer."""
    total = np.zeros((len(votes), classes))
    # Each vote counts 1, and slightly more the nearer it is, which decides ties only.
    weight = 1 + 1e-3 * np.linspace(1, 0, votes.shape[1])
    for column in range(votes.shape[1]):
        total[np.arange(len(votes)), votes[:, column]] += weight[column]
    found: NDArray[np.int64] = total.argmax(1)
    return found


def draw_neighbours(
    pictures: NDArray[np.uint8],
    named: Sequence[tuple[str, NDArray[np.floating]]],
    labels: NDArray[np.int64],
    path: Path,
) -> None:
    """Draw figure 7: one query per row, its six nearest by each of the vectors, green frames for the same label."""
    shown, columns, space = 8, 6, SIDE + 6
    queries = np.linspace(0, len(pictures) - 1, shown).astype(np.int64)
    sheet = Image.new("RGB", ((1 + len(named) * columns) * space + 12 * len(named), shown * space + 16), "white")
    draw = ImageDraw.Draw(sheet)
    for row, query in enumerate(queries):
        sheet.paste(Image.fromarray(pictures[query]), (3, 16 + row * space))
    for group, (name, vectors) in enumerate(named):
        left = space + group * (columns * space + 12) + 12
        draw.text((left, 2), name, fill="black")
        near, _ = neighbours(vectors, columns)
        for row, query in enumerate(queries):
            for column, other in enumerate(near[query]):
                x, y = left + column * space, 16 + row * space
                colour = "#2a9d3a" if labels[other] == labels[query] else "#c0c0c0"
                draw.rectangle((x - 3, y - 3, x + SIDE + 2, y + SIDE + 2), fill=colour)
                sheet.paste(Image.fromarray(pictures[other]), (x, y))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
