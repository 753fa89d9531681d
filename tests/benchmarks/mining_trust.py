"""Fit of the trust of a track: the coefficients of `workers/mining/trust.py`.

    python -m tests.benchmarks.mining_trust ../shared/data [--count 10] [--features FILE]

Pairs of the tuning half of the clips that were judged by eye (`mining_trust_pairs.tsv`: clip, frame, box of the start,
1 for clearly one moving object, 0 for none, ? for a doubtful pair, which is not fitted) and tracks of composites of the
choosing part, whose truth is known, are fitted together by a logistic regression. Composites weigh a fixed share, so
that drawn scenes do not outvote real ones. Prints the coefficients, and for each limit of the trust the shares of
clear, wrong and doubtful pairs above it, cross-validated over clips.
"""

import argparse
import csv
import pickle
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from graph.records import Patch
from tests.benchmarks.mining_composites import CAMERAS, FIRST_SEED, GROUNDS, LIGHTS, MOVERS, OVERLAYS
from tests.benchmarks.mining_scenes import tracks
from workers.mining.isolated import mine_isolated, stop_children
from workers.mining.recipe import Mining
from workers.mining.trust import FACTS

_JUDGED = Path(__file__).with_name("mining_trust_pairs.tsv")
_COMPOSITES = 0.3  # of the weight
_PENALTY = 2.0  # of squared coefficients, in units of their fact's standard deviation
_ALL = Mining(least_confidence=0.0)
Row = tuple[str, dict[str, float], bool | None]  # clip, evidence, whether it is right; None for a doubtful pair
_GOOD = {"1": True, "0": False, "?": None}


def same_box(patch: Patch, box: tuple[int, ...]) -> bool:
    """Say whether two boxes share .8 of their union: mining may have changed by pixels since they were judged."""
    x, y, w, h = box
    across = min(patch.x + patch.w, x + w) - max(patch.x, x)
    down = min(patch.y + patch.h, y + h) - max(patch.y, y)
    common = max(0, across) * max(0, down)
    return common > 0.8 * (patch.w * patch.h + w * h - common)


def judged_pairs(folder: Path) -> list[Row]:
    """Mine the clips of the judged pairs and return the tracks that are still there."""
    judged = defaultdict(list)
    with _JUDGED.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged[row["clip"]].append((int(row["frame"]), tuple(int(row[n]) for n in "xywh"), _GOOD[row["good"]]))
    found: list[Row] = []
    for name, rows in sorted(judged.items()):
        mined = mine_isolated(folder / name, recipe=_ALL)
        starts = {patch.id: patch for patch in mined.patches}
        for frame, box, good in rows:
            for track in mined.tracks:
                start = starts[track.start_id]
                if start.frame == frame and same_box(start, box):
                    found.append((name, track.trust, good))
                    break
    stop_children()
    print(f"{len(found)} of {sum(map(len, judged.values()))} judged pairs are mined")
    return found


def composites(data: Path, count: int) -> list[Row]:
    """Mine composites of the choosing part: every track, and whether it lies on what was pasted."""
    kinds = (*CAMERAS, *LIGHTS, *OVERLAYS, *MOVERS, *GROUNDS)
    asked = list(product(kinds, range(FIRST_SEED["choose"], FIRST_SEED["choose"] + count)))
    with ProcessPoolExecutor(2) as pool:
        mined = list(pool.map(partial(tracks, data, _ALL), asked, chunksize=4))
    found = [
        (f"{kind} {seed}", track.trust, on)
        for (kind, seed), (pairs, lies_on, _) in zip(asked, mined, strict=True)
        for (track, *_), on in zip(pairs, lies_on, strict=True)
    ]
    print(f"{len(found)} tracks of {len(asked)} composites, {sum(on for *_, on in found)} on movers")
    return found


def fitted(x: np.ndarray, good: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit an intercept and coefficients to standardised facts, and return them for facts as they are."""
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    scaled, sign = (x - middle) / spread, np.where(good, 1, -1)

    def loss(b: np.ndarray) -> float:
        missed = np.logaddexp(0, -sign * (scaled @ b[1:] + b[0]))
        return float(weights @ missed + _PENALTY * np.square(b[1:]).sum())

    b = minimize(loss, np.zeros(x.shape[1] + 1)).x
    slopes = b[1:] / spread
    return np.concatenate([[b[0] - slopes @ middle], slopes])


def main() -> None:
    """Fit, and print what the trust would be worth."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=10, help="composites of each kind")
    parser.add_argument("--features", type=Path, help="keep what was measured here, or read it from here")
    arguments = parser.parse_args()
    if arguments.features and arguments.features.is_file():
        real, drawn = pickle.loads(arguments.features.read_bytes())
    else:
        real, drawn = judged_pairs(arguments.data / "videos"), composites(arguments.data, arguments.count)
        if arguments.features:
            arguments.features.write_bytes(pickle.dumps((real, drawn)))
    rows = [*real, *drawn]
    x = np.array([[fact.value(known) for fact in FACTS] for _, known, _ in rows])
    clear, wrong = (np.array([row[2] is truth for row in rows]) for truth in (True, False))
    fit, is_real = clear | wrong, np.arange(len(rows)) < len(real)
    composite_weight = _COMPOSITES / (1 - _COMPOSITES) * (fit & is_real).sum() / max(1, len(drawn))
    weights = np.where(is_real, 1.0, composite_weight)
    names = sorted({row[0] for row in rows})
    fold = np.array([names.index(row[0]) % 8 for row in rows])
    chance = np.zeros(len(rows))
    for k in range(8):
        use = fit & (fold != k)
        b = fitted(x[use], clear[use], weights[use])
        chance[fold == k] = 1 / (1 + np.exp(-(x[fold == k] @ b[1:] + b[0])))
    b = fitted(x[fit], clear[fit], weights[fit])
    print("intercept", round(float(b[0]), 2))
    for fact, slope in zip(FACTS, b[1:], strict=True):
        print(f"{fact.name:36s} {slope:6.2f}")
    for title, some in (("real", is_real), ("composite", ~is_real)):
        for trust in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9):
            kept = some & (chance >= trust)
            band = kept & (chance < trust + 0.05)
            shares = clear[kept].mean(), wrong[kept].mean(), (~fit)[kept].mean()
            told = "clear {:.3f}, wrong {:.3f}, doubtful {:.3f}".format(*shares)
            print(f"{title:9s} trust {trust:.2f}: {kept.sum():4d} kept, {told}; ", end="")
            print(f"{band.sum()} in the next .05, clear {clear[band].mean() if band.any() else 0:.2f}")


if __name__ == "__main__":
    main()
