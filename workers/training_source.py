"""A `training.source.TrainingSource` that reads a generation from the graph and pictures from the shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from graph import videos
from graph.errors import NotFound
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.generations.reader import links_of_bucket
from graph.linking.reencodings import find_reencodings
from graph.queries import quadruples
from graph.queries.tracks import tracks_of_video
from graph.shard_cache import ShardCache, patch_images
from training.source import PatchRow, PatchTable
from workers.stage_context import StageContext

_CACHE_BYTES = 4 * 1024**3  # limit of the JPEGs in memory; a patch takes about 5 KB


@dataclass
class GraphSource:
    """A source for one generation; without one (context prediction), it provides only `frames` and `images`."""

    context: StageContext
    linked: Generation | None = None

    @property
    def generation(self) -> str:
        """Id of the generation; "" without one."""
        return self.linked.id if self.linked else ""

    @property
    def feature_model(self) -> str:
        """Model whose features were linked; "" without a generation."""
        return self.linked.feature_model if self.linked else ""

    @property
    def track_length(self) -> int:
        """Frames from A to A' of the shortest track; 0 without tracks."""
        return self.linked.track_length if self.linked else 0

    @cached_property
    def fingerprint(self) -> str:
        """The generation's id, which is a hash of its content; without one, a hash of the videos' ids."""
        if self.linked:
            return self.linked.id
        return blake2b("\n".join(self.training_videos).encode(), digest_size=8).hexdigest()

    @cached_property
    def videos(self) -> list[str]:
        """Sorted ids of the generation's videos; without a generation, of all mined videos."""
        return sorted(self.linked.videos) if self.linked else videos.ready_video_ids(self.context.connection)

    @cached_property
    def held_out(self) -> frozenset[str]:
        """Ids of the videos kept out of training."""
        if self.linked:
            return frozenset(self.linked.held_out)
        # the same choice as linking's, so that a context network does not see videos that are held out later
        with_tracks = videos.video_ids_with_tracks(self.context.connection)
        return frozenset(catalogue.held_out_videos(with_tracks, find_reencodings(self.context.shards, self.videos)))

    @property
    def training_videos(self) -> list[str]:
        """Sorted ids of the videos that are used for training."""
        return [video for video in self.videos if video not in self.held_out]

    @cached_property
    def _rows(self) -> list[PatchRow]:
        return [row for video in self.videos for row in self._rows_of(video)]

    def _rows_of(self, video: str) -> Iterator[PatchRow]:
        held_out = video in self.held_out
        for track in tracks_of_video(self.context.connection, video, self.generation):
            for patch in (track.start, *track.ends):
                yield PatchRow(patch, video, track.parent, track.start, held_out)

    @cached_property
    def _video_of(self) -> dict[str, str]:
        return {row.id: row.video_id for row in self._rows}

    def video_names(self) -> list[str]:
        """Return the file names of the videos with patches, in the order of their numbers in the table."""
        numbered = sorted({row.video_id for row in self._rows})
        names = videos.video_names(self.context.connection, numbered)
        return [names[video] for video in numbered]

    def table(self) -> PatchTable:
        """Return the table of all patches of the videos."""
        return self._table

    @cached_property
    def _table(self) -> PatchTable:
        return PatchTable.build(self._rows)

    def links(self) -> NDArray[np.int64]:
        """Return all inter-instance edges as (L, 2) rows of the table."""
        row = self._table.row
        found = [
            (row[a], row[b])
            for bucket in range(self.linked.buckets if self.linked else 0)
            for a, b in links_of_bucket(self.context.connection, self.generation, bucket)
            if a in row and b in row
        ]
        return np.array(found, np.int64).reshape(-1, 2)

    def quadruples(self, seed: int, epoch: int, skip: int) -> Iterator[NDArray[np.int64]]:
        """Yield the training quadruples of each bucket in this epoch's order, without the first `skip`: (Q, 4) rows."""
        row = self._table.row
        for some in quadruples.stream(self.context.connection, self.generation, seed, skip, epoch=epoch):
            # a mark as no object that was removed after the table was read adds patches that the table lacks
            known = (q for q in some if q.a in row and q.b in row)
            rows = [(row[q.a], row[q.a_prime], row[q.b], row[q.b_prime]) for q in known]
            yield np.array(rows, np.int64).reshape(-1, 4)

    def patch_jpegs(self, ids: Sequence[str]) -> list[bytes]:
        """Return the JPEG of each patch; raises `NotFound` or `StorageError`, which name what is missing."""
        return [self._image(patch) for patch in ids]

    def frames(self) -> Iterator[bytes]:
        """Yield whole frames of the training videos as JPEGs, sorted by video id."""
        for video in self.training_videos:
            yield from self.context.shards.read(f"frames/{video}", ["jpeg"])["jpeg"].to_pylist()

    def _image(self, patch: str) -> bytes:
        video = self._video_of.get(patch)
        if video is None:
            raise NotFound(
                f"Patch {patch} is not in generation {self.generation}; it may have been deleted. Link again."
            )
        shard = f"patches/{video}"
        jpegs = self._images.get(shard)
        if patch not in jpegs:
            raise NotFound(
                f"{self.context.shards.path(shard)} lacks patch {patch}. Delete its video and ingest it again."
            )
        return jpegs[patch]

    @cached_property
    def _images(self) -> ShardCache[dict[str, bytes]]:
        return patch_images(self.context.shards, _CACHE_BYTES)
