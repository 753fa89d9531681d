"""Cache of shards in memory with a limit in bytes; the least recently used shards are dropped first."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache, cached
from cachetools.keys import hashkey

from graph.shards import Shards

Shard = TypeVar("Shard")


class ShardCache(Generic[Shard]):
    """Cache of shards that `read` reads. Threads may share it."""

    def __init__(self, read: Callable[[str], Shard], size: Callable[[Shard], int], most_bytes: int) -> None:
        """Keep at most `most_bytes`, measured by `size`; a larger shard is kept alone."""
        self._kept: LRUCache[object, Shard] = LRUCache(most_bytes, getsizeof=lambda shard: min(size(shard), most_bytes))
        self._lock = Lock()  # not held while reading, so no thread waits for another's shard

        @cached(self._kept, lock=self._lock)
        def get(name: str, version: str) -> Shard:
            return read(name)

        self._get = get

    def get(self, name: str, version: str = "") -> Shard:
        """Return shard `name`; it is read if this version is not in memory."""
        return self._get(name, version)

    def kept(self, name: str, version: str = "") -> Shard | None:
        """Return this version of shard `name` if it is in memory; None otherwise."""
        with self._lock:
            return self._kept.get(hashkey(name, version))


def patch_images(shards: Shards, most_bytes: int) -> ShardCache[dict[str, bytes]]:
    """Return a cache of the shards `patches/<video>`, each as a dict of JPEGs by patch id."""

    def read(name: str) -> dict[str, bytes]:
        table = shards.read(name, ["id", "jpeg"])
        return dict(zip(table["id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))

    return ShardCache(read, lambda jpegs: sum(map(len, jpegs.values())), most_bytes)
