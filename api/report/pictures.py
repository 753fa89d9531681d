"""Patch images for the report, read from the shards and embedded in the page as data URIs."""

import base64
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graph.connection import Connection
from graph.shards import Shards
from graph.videos import videos_of_patches

_SHARDS_KEPT = 64


@dataclass
class Pictures:
    """The JPEGs of patches, shard by shard."""

    connection: Connection
    shards: Shards
    _video_of: dict[str, str] = field(default_factory=dict)
    _kept: "OrderedDict[str, dict[str, bytes]]" = field(default_factory=OrderedDict)

    def know(self, ids: Iterable[str]) -> None:
        """Look up the videos of many patches at once."""
        missing = sorted(set(ids) - set(self._video_of))
        self._video_of |= videos_of_patches(self.connection, missing) if missing else {}

    def video(self, patch: str) -> str:
        """Return the video of a patch."""
        self.know([patch])
        return self._video_of[patch]

    def row(self, ids: Sequence[str]) -> list[str]:
        """Return a data URI for each patch."""
        self.know(ids)
        return [f"data:image/jpeg;base64,{base64.b64encode(self._jpeg(patch)).decode()}" for patch in ids]

    def _jpeg(self, patch: str) -> bytes:
        video = self._video_of[patch]
        if video not in self._kept:
            table = self.shards.read(f"patches/{video}", ["id", "jpeg"])
            self._kept[video] = dict(zip(table["id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))
            if len(self._kept) > _SHARDS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(video)
        return self._kept[video][patch]
