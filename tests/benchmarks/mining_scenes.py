"""Count of synthetic clips that give tracks: real pictures with camera motion, overlays, light changes or movers.

    python -m tests.benchmarks.mining_scenes ../shared/data [--part choose|report] [--count 16]

Only clips with movers should give tracks, whose start and end lie within a quarter of a crop of the mover. The
parameters of `workers/mining/standing.py` were tuned on `choose` and are reported on `report`.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np

from tests.workers.mining.composites import draw, paste, write_video
from workers.mining.video import mine

SIZE, LENGTH, CROP = (600, 400), 62, 227
CAMERAS = ("slow", "pan", "fast", "zoom", "rotate", "shake")
LIGHTS = ("flicker", "fade", "noise")
OVERLAYS = ("rectangle", "frame", "texture", "glass", "disc", "text", "outlined text", "clock", "bar")
MOVERS = ("mover, still camera", "mover, slow", "mover, pan", "mover, shake")


def picture(data: Path, random: np.random.Generator, of_video: bool) -> np.ndarray:
    """Return a real picture, or the first frame of a clip, that is large enough to pan over."""
    folder = data / "videos" if of_video else data / "imagenette" / "train"
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpeg", ".mp4", ".avi", ".webm", ".mov"))
    path = paths[random.integers(len(paths))]
    if of_video:
        with av.open(str(path)) as clip:
            found = next(clip.decode(video=0)).to_ndarray(format="rgb24")
    else:
        found = cv2.imread(str(path))[..., ::-1]
    return np.ascontiguousarray(cv2.resize(found, (1200, 850), interpolation=cv2.INTER_CUBIC))


def camera(random: np.random.Generator, kind: str) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return a camera over a large picture: a function of (picture, frame number) that returns its view."""
    angle = random.uniform(0, 6.28)
    way = np.array([np.cos(angle), np.sin(angle)])
    speed = {"slow": random.uniform(0.5, 1.5), "pan": random.uniform(2, 4), "fast": random.uniform(4, 7)}.get(kind, 0)
    velocity = way * speed * ([1, 0.4] if kind == "fast" else [1, 1])
    zoom = random.uniform(0.003, 0.01) * random.choice([-0.5, 1]) if kind == "zoom" else 0.0
    turn = random.uniform(0.1, 0.5) * random.choice([-1, 1]) if kind == "rotate" else 0.0
    shake = np.zeros((LENGTH, 2))
    if kind == "shake":
        shake = cv2.GaussianBlur(np.cumsum(random.normal(0, 2.5, (LENGTH, 2)), axis=0), (1, 5), 1.5)
        shake -= shake.mean(axis=0)

    def look(scene: np.ndarray, k: int) -> np.ndarray:
        place = cv2.getRotationMatrix2D((600, 425), turn * k, 1 + zoom * k)
        place[:, 2] += np.array([-300, -225]) - velocity * k + shake[k]
        return cv2.warpAffine(scene, place, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    return look


def light(frame: np.ndarray, kind: str, k: int, random: np.random.Generator) -> np.ndarray:
    """Change the light of a still picture."""
    factor = {"flicker": 0.75 + 0.25 * np.sin(k * 0.9), "fade": abs(1 - k / 31)}.get(kind, 1.0)
    grain = random.normal(0, 12, frame.shape) if kind == "noise" else 0.0
    return np.clip(frame * factor + grain, 0, 255).astype(np.uint8)


def scene_of(kind: str, data: Path, random: np.random.Generator, seed: int) -> list[np.ndarray]:
    """Return the frames of a clip without an independently moving object."""
    scene = picture(data, random, seed % 2 == 1)
    moves = kind if kind in CAMERAS else random.choice(["slow", "pan", "fast", "shake"]) if kind in OVERLAYS else ""
    look = camera(random, moves)
    frames = [look(scene, k) for k in range(LENGTH)]
    if kind in LIGHTS:
        return [light(frame, kind, k, random) for k, frame in enumerate(frames)]
    place = tuple(int(random.integers(*limits)) for limits in ((20, 380), (20, 290), (60, 200), (30, 100)))
    return [draw(frame, kind, k, place, seed) for k, frame in enumerate(frames)] if kind in OVERLAYS else frames


def tracks(data: Path, trust: float, asked: tuple[str, int]) -> bool:
    """Return whether a clip of a kind and seed gives a track; for a mover, whether a track is on the mover."""
    kind, seed = asked
    cv2.setNumThreads(1)
    random = np.random.default_rng((seed, *kind.encode()))
    if kind not in MOVERS:
        with TemporaryDirectory() as folder:
            mined = mine(write_video(Path(folder) / "a.mp4", scene_of(kind, data, random, seed)))
            return any(track.confidence >= trust for track in mined.tracks)
    scene, look = picture(data, random, seed % 2 == 1), camera(random, kind.split(", ")[1])
    side = int(random.integers(80, 170))
    thing = picture(data, random, seed % 2 == 0)[200:700, 300:900]
    thing = cv2.resize(thing, (int(side * random.uniform(0.8, 1.2)), side), interpolation=cv2.INTER_AREA)
    angle = random.uniform(0, 6.28)
    move = random.uniform(1.5, 4) * np.array([np.cos(angle), np.sin(angle)])
    start = np.array([300, 200]) - move * 15
    with TemporaryDirectory() as folder:
        frames = [paste(look(scene, k), thing, tuple(start + move * k)) for k in range(31)]
        mined = mine(write_video(Path(folder) / "a.mp4", frames))
    for track, first, last in zip(mined.tracks, mined.patches[::2], mined.patches[1::2], strict=True):
        if track.confidence < trust:
            continue
        middles = [np.array([p.x + p.w / 2, p.y + p.h / 2]) for p in (first, last)]
        misses = [middles[0] - start, middles[1] - start - 30 * move]
        if np.abs(misses).max() < CROP / 4:
            return True
    return False


def main() -> None:
    """Print the number of clips of each kind that give tracks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=("choose", "report"), default="report")
    parser.add_argument("--count", type=int, default=16, help="clips of each kind")
    parser.add_argument("--trust", type=float, default=0.75, help="least confidence of a track that counts")
    arguments = parser.parse_args()
    first = {"choose": 0, "report": 1000}[arguments.part]
    kinds = (*CAMERAS, *LIGHTS, *OVERLAYS, *MOVERS)
    asked = list(product(kinds, range(first, first + arguments.count)))
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(tracks, arguments.data, arguments.trust), asked, chunksize=4))
    for title, group in (
        ("camera alone", CAMERAS),
        ("light alone", LIGHTS),
        ("overlays", OVERLAYS),
        ("movers", MOVERS),
    ):
        hits = {kind: sum(hit for (k, _), hit in zip(asked, found, strict=True) if k == kind) for kind in group}
        each = ", ".join(f"{kind} {hit}" for kind, hit in hits.items())
        print(f"{title:13s} {sum(hits.values()):3d} of {arguments.count * len(group)} clips with tracks ({each})")


if __name__ == "__main__":
    main()
