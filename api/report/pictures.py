"""Patch images for the report, read from the shards and embedded in the page as data URIs."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from graph.connection import Connection
from graph.shard_cache import ShardCache, patch_images
from graph.shards import Shards
from graph.videos import videos_of_patches

_CACHE_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Picture:
    """A patch's JPEG as a data URI, and the address of the patch's page ("": there is none)."""

    source: str
    page: str


@dataclass
class Pictures:
    """Reads the JPEGs of patches from the shards of their videos."""

    connection: Connection
    shards: Shards
    pages: str = ""  # base address of the patches' pages
    _video_of: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _images(self) -> ShardCache[dict[str, bytes]]:
        return patch_images(self.shards, _CACHE_BYTES)

    def know(self, ids: Iterable[str]) -> None:
        """Look up the videos of these patches in one query."""
        missing = sorted(set(ids) - set(self._video_of))
        self._video_of |= videos_of_patches(self.connection, missing) if missing else {}

    def video(self, patch: str) -> str:
        """Return the video of a patch."""
        self.know([patch])
        return self._video_of[patch]

    def row(self, ids: Sequence[str]) -> list[Picture]:
        """Return the picture of each patch."""
        self.know(ids)
        return [
            Picture(
                f"data:image/jpeg;base64,{base64.b64encode(self._jpeg(patch)).decode()}",
                f"{self.pages}/{patch}" if self.pages else "",
            )
            for patch in ids
        ]

    def _jpeg(self, patch: str) -> bytes:
        return self._images.get(f"patches/{self._video_of[patch]}")[patch]
