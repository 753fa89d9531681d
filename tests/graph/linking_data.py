"""Synthetic patches and vectors, determined by a seed, for the tests and benchmarks of linking."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.connection import Connection
from graph.linking.parents import Parents, keep_large, sample_rows, train_centroids
from graph.linking.points import MakePoints, NumpyPoints
from graph.records import IntraInstance, Patch, Video, patch_id
from graph.videos import write_video


@dataclass(frozen=True)
class World:
    videos: list[Video]
    starts: list[Patch]  # row i of `features` belongs to patch i
    ends: list[Patch]  # of the same tracks
    tracks: list[IntraInstance]
    features: NDArray[np.float16]  # (N, D), not normalised


def make_world(
    patches: int,
    videos: int,
    *,
    seed: int = 0,
    width: int = 32,
    kinds: int = 6,
    noise: float = 0.5,
    spare_tracks: int = 0,
) -> World:
    """Return `patches` starts in `videos` videos with vectors around `kinds` directions.

    The first `spare_tracks` starts have two ends, after 30 and after 60 frames; the others have the first of these.
    """
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(kinds, width))
    features = centres[generator.integers(kinds, size=patches)] + noise * generator.normal(size=(patches, width))
    names = [f"{seed:04x}{number:028x}" for number in range(videos)]
    starts, ends, tracks = [], [], []
    for row in range(patches):
        video, frame = names[row % videos], int(generator.integers(20)) * 30
        x, y = (int(value) for value in generator.integers(0, 500, 2))
        start = Patch(patch_id(video, frame, x, y, 100, row + 1), video, frame, frame / 30, x, y, 100, row + 1, "start")
        starts.append(start)
        for length in (30, 60) if row < spare_tracks else (30,):
            end = Patch(
                patch_id(video, frame + length, x, y, 100, row + 1), video, frame + length, (frame + length) / 30,
                x, y, 100, row + 1, "end",
            )  # fmt: skip
            ends.append(end)
            tracks.append(IntraInstance(start.id, end.id, length, float(generator.random())))
    clips = [Video(name, f"{name[-3:]}.mp4", 30, 640, 480, 700, 23.3) for name in names]
    return World(clips, starts, ends, tracks, (10 * features).astype(np.float16))


@dataclass(frozen=True)
class Clustered:
    """Result of the complete K-means of one matrix."""

    parents: Parents
    centroids: NDArray[np.float32]  # (K, D) of all clusters
    objective: float

    @property
    def labels(self) -> NDArray[np.int32]:
        return self.parents.labels


def cluster(
    features: NDArray[Any],
    k: int,
    smallest: int,
    seed: int,
    *,
    iterations: int = 20,
    sample: int = 0,
    assign: MakePoints = NumpyPoints,
) -> Clustered:
    """Run only the first stage of `graph.linking.run`."""
    rows = sample_rows(len(features), sample, k, seed)
    centroids = train_centroids(features[rows], k, seed, iterations=iterations, assign=assign)
    labels, distances = assign(features).assign(centroids)
    return Clustered(keep_large(labels, k, smallest), centroids, float(distances.mean(dtype=np.float64)))


def write_world(connection: Connection, world: World) -> None:
    """Write the whole world into the graph."""
    for video in world.videos:
        patches = [patch for patch in world.starts + world.ends if patch.video_id == video.id]
        ids = {patch.id for patch in patches}
        write_video(connection, video, patches, [track for track in world.tracks if track.start_id in ids])
