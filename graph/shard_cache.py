"""Shards kept in memory up to a number of bytes; those that were read longest ago are dropped first."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache, cached

from graph.shards import Shards

Shard = TypeVar("Shard")


class ShardCache(Generic[Shard]):
    """Reads shards of one kind through `read` and keeps the last ones; safe to share between threads."""

    def __init__(self, read: Callable[[str], Shard], size: Callable[[Shard], int], most_bytes: int) -> None:
        """Keep at most `most_bytes`, as `size` counts them; a shard larger than that is kept alone."""
        kept: LRUCache[object, Shard] = LRUCache(most_bytes, getsizeof=lambda shard: min(size(shard), most_bytes))

        @cached(kept, lock=Lock())  # reading is outside the lock: no thread waits for another's shard
        def get(name: str, version: str) -> Shard:
            return read(name)

        self._get = get

    def get(self, name: str, version: str = "") -> Shard:
        """Return shard `name`; it is read where it is not in memory in this version."""
        return self._get(name, version)


def patch_images(shards: Shards, most_bytes: int) -> ShardCache[dict[str, bytes]]:
    """Return a cache of the shards `patches/<video>`: the JPEG of each patch by its id."""

    def read(name: str) -> dict[str, bytes]:
        table = shards.read(name, ["id", "jpeg"])
        return dict(zip(table["id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))

    return ShardCache(read, lambda jpegs: sum(map(len, jpegs.values())), most_bytes)
