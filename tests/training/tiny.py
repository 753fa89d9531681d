"""A small synthetic training source: videos of moving coloured shapes in parent clusters, with links across videos."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graph.errors import StorageError
from graph.queries.shuffle import shuffled
from graph.records import Quadruple
from training.source import PatchRow, PatchTable

BUCKETS = 4


def bucket(a: str, b: str) -> int:
    """Return the bucket of the edge A–B by a hash, as in the graph."""
    return int(hashlib.blake2b(f"{a}:{b}".encode(), digest_size=4).hexdigest(), 16) % BUCKETS


def _picture(shape: int, hue: int, shift: int, size: tuple[int, int] = (96, 96)) -> bytes:
    generator = np.random.default_rng((shape, hue, shift))
    noise = generator.integers(60, 120, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    draw = ImageDraw.Draw(image)
    colour = tuple(int(c) for c in np.random.default_rng(hue).integers(120, 255, 3))
    x, y = size[0] // 4 + shift, size[1] // 4
    box = (x, y, x + size[0] // 2, y + size[1] // 2)
    (draw.rectangle, draw.ellipse, draw.chord)[shape % 3](*((box, 0, 200) if shape % 3 == 2 else (box,)), fill=colour)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=95)
    return data.getvalue()


@dataclass(frozen=True)
class TinySource:
    """`videos` videos with `tracks` tracks each; track t shows shape t % parents, which is also its parent cluster."""

    videos: int = 4
    tracks: int = 6
    parents: int = 3
    generation: str = "tiny"
    fingerprint: str = "f"
    feature_model: str = "context"
    track_length: int = 30
    held_out_videos: int = 0
    missing: frozenset[str] = field(default=frozenset())

    def _starts(self) -> list[tuple[int, int]]:
        return [(video, track) for video in range(self.videos) for track in range(self.tracks)]

    @staticmethod
    def _id(video: int, track: int, end: bool) -> str:
        return hashlib.blake2b(f"{video}:{track}:{end}".encode(), digest_size=8).hexdigest()

    def table(self) -> PatchTable:
        return PatchTable.build(
            PatchRow(self._id(v, t, end), f"v{v}", t % self.parents, self._id(v, t, False), v < self.held_out_videos)
            for v, t in self._starts()
            for end in (False, True)
        )

    def _edges(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        starts = self._starts()
        return [(a, b) for a in starts for b in starts if a[0] < b[0] and a[1] == b[1]]

    def links(self) -> NDArray[np.int64]:
        row = self.table().row
        found = [sorted((row[self._id(*a, False)], row[self._id(*b, False)])) for a, b in self._edges()]
        return np.array(found, np.int64).reshape(-1, 2)

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        edges = [(a, b) for a, b in self._edges() if a[0] >= self.held_out_videos and b[0] >= self.held_out_videos]
        buckets: list[list[Quadruple]] = [[] for _ in range(BUCKETS)]
        for pair in edges:
            a, b = sorted(pair, key=lambda start: self._id(*start, False))
            ids = [self._id(*start, end) for start in (a, b) for end in (False, True)]
            quadruple = Quadruple(*ids, a[1] % self.parents, b[1] % self.parents)
            buckets[bucket(quadruple.a, quadruple.b)].append(quadruple)
        row = self.table().row
        for some in shuffled(lambda index: buckets[index], [len(b) for b in buckets], seed, epoch, skip):
            rows = [(row[q.a], row[q.a_prime], row[q.b], row[q.b_prime]) for q in some]
            yield np.array(rows, np.int64).reshape(-1, 4)

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        known = {
            self._id(v, t, end): (t % self.parents, v * 100 + t, 12 * end)
            for v, t in self._starts()
            for end in (False, True)
        }
        for patch in ids:
            if patch in self.missing:
                raise StorageError(f"patches/v.parquet lacks patch {patch}. Ingest its video again.")
        return [_picture(*known[patch]) for patch in ids]

    def frames(self) -> Iterator[bytes]:
        for video in range(self.held_out_videos, self.videos):
            for place in range(2):
                yield _picture(video, video * 7 + place, 30 * place, (320, 240))
