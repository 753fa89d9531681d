"""Clips whose moving objects are known: real pictures and plain grounds, drawn over, lit and pasted on.

`composite(data, kind, seed)` makes one. What is pasted moves; cameras, light and what is drawn over the picture do not
count as moving.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from graph.records import Patch
from tests.workers.mining.composites import draw, paste, texture

SIZE, LENGTH = (600, 400), 62
CAMERAS = ("slow", "pan", "fast", "zoom", "rotate", "shake")
LIGHTS = ("flicker", "fade", "noise")
OVERLAYS = ("rectangle", "frame", "texture", "glass", "disc", "text", "outlined text", "clock", "bar")
MOVERS = ("mover, still camera", "mover, slow", "mover, pan", "mover, shake")
GROUNDS = ("plain ground", "striped ground", "noisy ground", "two movers", "at the border", "half the picture")
FIRST_SEED = {"choose": 0, "report": 1000}


@dataclass(frozen=True)
class Mover:
    """An object that moves in a straight line: pixels of the 600×400 frame."""

    start: np.ndarray  # x, y of its middle in frame 0
    move: np.ndarray  # x, y a frame
    size: tuple[int, int]  # width, height

    def holds(self, patch: Patch) -> bool:
        """Say whether at least half of the smaller of patch and mover is common to both."""
        x, y = self.start + self.move * patch.frame
        w, h = self.size
        across = min(patch.x + patch.w, x + w / 2) - max(patch.x, x - w / 2)
        down = min(patch.y + patch.h, y + h / 2) - max(patch.y, y - h / 2)
        return bool(max(0.0, across) * max(0.0, down) >= 0.5 * min(patch.w * patch.h, w * h))


def composite(data: Path, kind: str, seed: int) -> tuple[list[np.ndarray], list[Mover]]:
    """Make the frames of a clip of a kind, and list what moves in it."""
    random = np.random.default_rng((seed, *kind.encode()))
    if kind in MOVERS:
        return _mover(data, kind, random, seed)
    if kind in GROUNDS:
        return _on_ground(data, kind, random, seed)
    return _nothing_moves(data, kind, random, seed), []


def picture(data: Path, random: np.random.Generator, of_video: bool) -> np.ndarray:
    """Take a real picture, or the first frame of a clip, large enough to pan over."""
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
    """Make a camera that looks at a large picture: (picture, frame number) to what it sees."""
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


def _light(frame: np.ndarray, kind: str, k: int, random: np.random.Generator) -> np.ndarray:
    """Change the light of a still picture."""
    factor = {"flicker": 0.75 + 0.25 * np.sin(k * 0.9), "fade": abs(1 - k / 31)}.get(kind, 1.0)
    grain = random.normal(0, 12, frame.shape) if kind == "noise" else 0.0
    return np.clip(frame * factor + grain, 0, 255).astype(np.uint8)


def _nothing_moves(data: Path, kind: str, random: np.random.Generator, seed: int) -> list[np.ndarray]:
    """Make the frames of a clip in which nothing moves on its own."""
    scene = picture(data, random, seed % 2 == 1)
    moves = kind if kind in CAMERAS else random.choice(["slow", "pan", "fast", "shake"]) if kind in OVERLAYS else ""
    look = camera(random, moves)
    frames = [look(scene, k) for k in range(LENGTH)]
    if kind in LIGHTS:
        return [_light(frame, kind, k, random) for k, frame in enumerate(frames)]
    place = tuple(int(random.integers(*limits)) for limits in ((20, 380), (20, 290), (60, 200), (30, 100)))
    return [draw(frame, kind, k, place, seed) for k, frame in enumerate(frames)] if kind in OVERLAYS else frames


def _mover(data: Path, kind: str, random: np.random.Generator, seed: int) -> tuple[list[np.ndarray], list[Mover]]:
    """Paste a piece of one picture onto another, under a camera."""
    scene, look = picture(data, random, seed % 2 == 1), camera(random, kind.split(", ")[1])
    side = int(random.integers(80, 170))
    thing = picture(data, random, seed % 2 == 0)[200:700, 300:900]
    thing = cv2.resize(thing, (int(side * random.uniform(0.8, 1.2)), side), interpolation=cv2.INTER_AREA)
    move = _direction(random) * random.uniform(1.5, 4)
    mover = Mover(np.array([300, 200]) - move * 15, move, (thing.shape[1], side))
    return [paste(look(scene, k), thing, tuple(mover.start + move * k)) for k in range(31)], [mover]


def _on_ground(data: Path, kind: str, random: np.random.Generator, seed: int) -> tuple[list[np.ndarray], list[Mover]]:
    """Paste one or two movers on a ground of little or of misleading texture, at the border, or very large."""
    look = camera(random, random.choice(["still", "slow", "pan"]))
    scene = _ground(kind, random) if kind.endswith("ground") else picture(data, random, seed % 2 == 1)
    frames = [look(scene, k) for k in range(31)]
    movers = []
    for number in range(2 if kind == "two movers" else 1):
        side = int(random.integers(70, 130))
        size = (int(side * random.uniform(0.8, 1.2)), side)
        move, middle = _direction(random) * random.uniform(1.5, 4), np.array([300.0, 200.0])
        if kind == "two movers":
            middle, move = np.array([160.0 + 280 * number, 200.0]), move * [0.5, 1]
        elif kind == "at the border":
            move = np.array([random.choice([-1, 1]) * np.hypot(*move), 0.0])
            middle = np.array([300.0, random.choice([side * 0.4, 400 - side * 0.4])])
        elif kind == "half the picture":
            size = (int(random.uniform(400, 460)), int(random.uniform(290, 340)))
        thing = picture(data, random, seed % 2 == 0)[200:700, 300:900]
        thing = cv2.resize(thing, size, interpolation=cv2.INTER_AREA)
        movers.append(Mover(middle - move * 15, move, size))
        frames = [paste(frame, thing, tuple(movers[-1].start + move * k)) for k, frame in enumerate(frames)]
    return frames, movers


def _ground(kind: str, random: np.random.Generator) -> np.ndarray:
    """Draw a ground of 1200×850: one colour, stripes, or noise at several sizes."""
    colour = random.integers(30, 225, 3)
    if kind == "plain ground":
        return np.full((850, 1200, 3), colour, np.uint8)
    if kind == "noisy ground":
        return texture(850, 1200, int(random.integers(1 << 30)))
    way, width = _direction(random), random.uniform(12, 40)
    y, x = np.mgrid[:850, :1200]
    wave = np.sin((x * way[0] + y * way[1]) * 2 * np.pi / width)[..., None]
    return np.clip(colour + 30 * wave, 0, 255).astype(np.uint8)


def _direction(random: np.random.Generator) -> np.ndarray:
    angle = random.uniform(0, 6.28)
    return np.array([np.cos(angle), np.sin(angle)])
