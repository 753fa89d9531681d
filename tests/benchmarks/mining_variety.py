"""Measurement of how much A' differs from A by the length of tracks: 1 - cosine of HOG and pool5, and the quadruples.

    python -m tests.benchmarks.mining_variety ../shared/data/videos [--clips 24] [--lengths 15,30] [--model FOLDER]

Pairs that are nearly the same picture teach nothing. Only trusted tracks count. An inter-instance edge between two
starts gives the product of their numbers of ends as quadruples; the mean of that product over random pairs of starts
of different clips says by how much several lengths multiply them.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from tests.benchmarks.mining_pairs import is_tuning
from training.encoder import Encoder
from workers.mining.isolated import mine_isolated, stop_children
from workers.mining.recipe import Mining

_HOG = cv2.HOGDescriptor((96, 96), (16, 16), (8, 8), (8, 8), 9)


def described(jpeg: bytes) -> np.ndarray:
    """Describe a patch by HOG, scaled to length 1."""
    found = np.asarray(_HOG.compute(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE))).ravel()
    return found / max(float(np.linalg.norm(found)), 1e-9)


def pool5_changes(pairs: list[tuple[int, bytes, bytes]], model: Path) -> dict[int, list[float]]:
    """Return 1 - cosine of a model's pool5 between the two JPEGs of each pair, by the pair's length."""
    encoder = Encoder.load(model, "cpu")
    features = encoder.pool5(encoder.decode([jpeg for _, *both in pairs for jpeg in both])).astype(np.float32)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    found: dict[int, list[float]] = defaultdict(list)
    for (length, *_), change in zip(pairs, 1 - (features[::2] * features[1::2]).sum(axis=1), strict=True):
        found[length].append(float(change))
    return found


def main() -> None:
    """Mine with several lengths, print the tracks and the change by length."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=0, help="a random part; 0: all")
    parser.add_argument("--part", choices=("all", "tune", "report"), default="report")
    parser.add_argument("--lengths", default="15,30,60,120")
    parser.add_argument("--model", type=Path, help="folder of a trained model whose pool5 is compared too")
    arguments = parser.parse_args()
    first, *longer = map(int, arguments.lengths.split(","))
    recipe = Mining(track_length=first, longer=tuple(longer))
    paths = sorted(p for p in arguments.folder.iterdir() if p.is_file())
    if arguments.part != "all":
        paths = [path for path in paths if is_tuning(path.name) == (arguments.part == "tune")]
    if arguments.clips:
        paths = [paths[i] for i in sorted(np.random.default_rng(0).permutation(len(paths))[: arguments.clips])]
    changes: dict[int, list[float]] = defaultdict(list)
    ends: dict[str, int] = defaultdict(int)
    pairs: list[tuple[int, bytes, bytes]] = []
    for path in paths:
        try:
            mined = mine_isolated(path, recipe=recipe)
        except BadVideo as error:
            print(error)
            continue
        seen = dict(zip((patch.id for patch in mined.patches), mined.jpegs, strict=True))
        for track in mined.tracks:
            if track.confidence >= recipe.trusted:
                length = track.track_length // int(mined.report["every"])
                both = seen[track.start_id], seen[track.end_id]
                changes[length].append(1 - float(described(both[0]) @ described(both[1])))
                pairs.append((length, *both))
                ends[track.start_id] += 1
    stop_children()
    print(f"{len(paths)} clips, {len(ends)} starts, {sum(ends.values())} trusted tracks")
    for length, found in sorted(changes.items()):
        print(f"{length:4d} frames: {len(found):4d} tracks, 1 - cosine of HOG {np.mean(found):.3f}")
    for length, found in sorted(pool5_changes(pairs, arguments.model).items() if arguments.model else ()):
        print(f"{length:4d} frames: {len(found):4d} tracks, 1 - cosine of pool5 {np.mean(found):.3f}")
    print(f"quadruples for an edge: {np.mean(list(ends.values())) ** 2:.2f} (1 with one length)")


if __name__ == "__main__":
    main()
