"""Measurement of how many composite clips give tracks, and whether those lie on what was pasted.

    python -m tests.benchmarks.mining_scenes ../shared/data [--part choose|report] [--count 16]

Where nothing moves on its own no clip may give a track. A clip with movers counts where each of them has a track that
begins and ends on it. Trust and gates are chosen on `choose` and reported on `report`.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from graph.records import IntraInstance, Patch
from graph.settings import LEAST_CONFIDENCE
from tests.benchmarks.mining_composites import CAMERAS, FIRST_SEED, GROUNDS, LIGHTS, MOVERS, OVERLAYS, composite
from tests.workers.mining.composites import write_video
from workers.mining.recipe import Mining
from workers.mining.video import mine

CROP = 227
Pair = tuple[IntraInstance, Patch, Patch]


def tracks(data: Path, recipe: Mining, asked: tuple[str, int]) -> tuple[list[Pair], list[bool], bool]:
    """Mine a clip of a kind and seed: its tracks, whether each lies on a mover, and whether each mover has one.

    A mover of the older kinds has one where both patches are within a quarter of a crop of where it is.
    """
    kind, seed = asked
    cv2.setNumThreads(1)
    frames, movers = composite(data, kind, seed)
    with TemporaryDirectory() as folder:
        mined = mine(write_video(Path(folder) / "a.mp4", frames), recipe=recipe)
    patches = {patch.id: patch for patch in mined.patches}
    pairs = [(track, patches[track.start_id], patches[track.end_id]) for track in mined.tracks]
    on = [any(all(mover.holds(p) for p in ends) for mover in movers) for _, *ends in pairs]
    found = []
    for mover in movers:
        if kind in GROUNDS:
            found.append([all(mover.holds(p) for p in ends) for _, *ends in pairs])
            continue
        middles = [[(p.x + p.w / 2, p.y + p.h / 2) for p in ends] for _, *ends in pairs]
        places = mover.start + mover.move * np.array([[0], [30]])
        found.append([bool(np.abs(np.array(middle) - places).max() < CROP / 4) for middle in middles])
    trusted = [track.confidence >= recipe.trusted for track, *_ in pairs]
    if not movers:
        return pairs, on, any(trusted)
    return pairs, on, all(any(np.logical_and(each, trusted)) for each in found)


def main() -> None:
    """Print how many clips of each kind give tracks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=tuple(FIRST_SEED), default="report")
    parser.add_argument("--count", type=int, default=16, help="clips of each kind")
    parser.add_argument("--trust", type=float, default=LEAST_CONFIDENCE, help="least confidence of a track that counts")
    parser.add_argument("--workers", type=int, default=None)
    arguments = parser.parse_args()
    first = FIRST_SEED[arguments.part]
    kinds = (*CAMERAS, *LIGHTS, *OVERLAYS, *MOVERS, *GROUNDS)
    asked = list(product(kinds, range(first, first + arguments.count)))
    work = partial(tracks, arguments.data, Mining(trusted=arguments.trust))
    with ProcessPoolExecutor(arguments.workers) as pool:
        found = [hit for *_, hit in pool.map(work, asked, chunksize=4)]
    for title, group in (
        ("camera alone", CAMERAS),
        ("light alone", LIGHTS),
        ("overlays", OVERLAYS),
        ("movers", MOVERS),
        ("grounds", GROUNDS),
    ):
        hits = {kind: sum(hit for (k, _), hit in zip(asked, found, strict=True) if k == kind) for kind in group}
        each = ", ".join(f"{kind} {hit}" for kind, hit in hits.items())
        print(f"{title:13s} {sum(hits.values()):3d} of {arguments.count * len(group)} clips with tracks ({each})")


if __name__ == "__main__":
    main()
