"""Measures of a generation's links: share of linked tracks, purity, and concentration on hubs.

Labels (a kind per video) are used for measuring only; no linking and no training reads them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.pictures import SIDE, pictures_to_patches
from training.source import PatchTable, TrainingSource

_SHOWN, _COLUMNS, _SPACE = 64, 8, 6  # edges of a contact sheet, edges in a row, pixels between them


def measure_links(links: NDArray[np.int64], table: PatchTable, kinds: Sequence[str] | None = None) -> dict[str, float]:
    """Measure links, (L, 2) rows of starts in `table`.

    Args:
        links: the inter-instance edges of a generation.
        table: every patch of it.
        kinds: the kind of the object in each video, "" if it is not known; by the video's number.

    Returns:
        tracks, edges: their numbers.
        linked: share of the tracks with a link.
        same_video, same_video_chance: share of edges inside one video. Chance joins two random ends of the same edges.
        largest_hub: share of the edges at the patch with the most edges.
        degree_skewness: third standardised moment of the number of edges of a patch, above 0 if a few patches have
            many (Radovanović et al. 2010).
        purity, purity_chance: share of the edges between two known kinds that join equal ones, and the same for random
            ends of the same edges in two videos.
        purity_balanced: mean over kinds of the share of the edges of that kind that join it with itself.

        The measures of purity are absent without `kinds` or without such edges.
    """
    starts = np.flatnonzero(table.track == np.arange(len(table.ids)))
    degree = np.bincount(links.ravel(), minlength=len(table.ids))[starts].astype(np.float64)
    out = {
        "tracks": float(len(starts)),
        "edges": float(len(links)),
        "linked": float((degree > 0).mean()) if len(starts) else 0.0,
    }
    if not len(links):
        return out
    video = table.video[links]
    out["same_video"] = float((video[:, 0] == video[:, 1]).mean())
    out["same_video_chance"] = _equal_by_chance(video.ravel())
    out["largest_hub"] = float(degree.max() / len(links))
    out["degree_skewness"] = float(((degree - degree.mean()) ** 3).mean() / max(degree.std(), 1e-12) ** 3)
    if kinds is None:
        return out
    names, codes = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    kind = codes[video]
    known = (names[kind] != "").all(axis=1)
    return out | _purity(kind[known], video[known])


def _purity(kind: NDArray[np.int64], video: NDArray[np.int32]) -> dict[str, float]:
    if not len(kind):
        return {}
    equal = kind[:, 0] == kind[:, 1]
    by_kind = [float(equal[(kind == one).any(axis=1)].mean()) for one in np.unique(kind)]
    same_kind, same_video = _equal_pairs(kind.ravel()), _equal_pairs(video.ravel())  # a video has one kind
    all_pairs = kind.size * (kind.size - 1) // 2
    chance = (same_kind - same_video) / (all_pairs - same_video) if all_pairs > same_video else float("nan")
    return {"purity": float(equal.mean()), "purity_chance": chance, "purity_balanced": float(np.mean(by_kind))}


def _equal_pairs(values: NDArray[np.integer]) -> int:
    counts = np.unique(values, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _equal_by_chance(values: NDArray[np.integer]) -> float:
    """Return the probability that two different entries are equal."""
    return 2 * _equal_pairs(values) / (len(values) * (len(values) - 1))


def draw_links(source: TrainingSource, path: Path, seed: int = 0) -> int:
    """Draw a contact sheet of up to 64 random edges, eight in a row, A beside B; returns how many were drawn."""
    table, links = source.table(), source.links()
    chosen = links[np.sort(np.random.default_rng(seed).permutation(len(links))[:_SHOWN])]
    ids = [table.ids[row] for row in chosen.ravel()]
    named = [(f"Patch {patch}", jpeg) for patch, jpeg in zip(ids, source.patch_jpegs(ids), strict=True)]
    patches = pictures_to_patches(named).reshape(-1, 2, SIDE, SIDE, 3)
    rows = -(-len(chosen) // _COLUMNS)
    wide, high = 2 * SIDE + _SPACE, SIDE + _SPACE
    sheet = Image.new("RGB", (_COLUMNS * wide, max(rows, 1) * high), "white")
    for number, (a, b) in enumerate(patches):
        x, y = number % _COLUMNS * wide, number // _COLUMNS * high
        sheet.paste(Image.fromarray(a), (x, y))
        sheet.paste(Image.fromarray(b), (x + SIDE, y))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return len(chosen)
