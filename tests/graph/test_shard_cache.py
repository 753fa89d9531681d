"""Tests of the shard cache: what is read once, what is read again, and the limit in bytes."""

import os
import threading
from collections import Counter

import pytest

from graph.errors import NotFound
from graph.shard_cache import ShardCache, patch_images
from graph.shards import Shards


def counting_cache(most_bytes: int) -> tuple[ShardCache[bytes], Counter[str]]:
    """A cache of shards whose sizes are their names, and how often each was read."""
    reads: Counter[str] = Counter()

    def read(name: str) -> bytes:
        reads[name] += 1
        return bytes(int(name))

    return ShardCache(read, len, most_bytes), reads


def test_the_shards_read_last_stay_within_the_limit() -> None:
    cache, reads = counting_cache(10)
    for name in ("4", "5", "4", "3", "4", "5"):  # 3 pushes 5 out: 4 was read after it
        assert len(cache.get(name)) == int(name)
    assert reads == {"4": 1, "5": 2, "3": 1}


def test_a_shard_larger_than_the_limit_is_kept_alone() -> None:
    cache, reads = counting_cache(10)
    for name in ("30", "30", "4", "30"):
        cache.get(name)
    assert reads == {"30": 2, "4": 1}


def test_a_new_version_is_read_anew() -> None:
    cache, reads = counting_cache(10)
    for version in ("a", "a", "b"):
        cache.get("4", version)
    assert reads == {"4": 2}


def test_only_the_version_in_memory_is_given_without_reading() -> None:
    cache, reads = counting_cache(10)
    assert cache.kept("4", "a") is None
    cache.get("4", "a")
    assert cache.kept("4", "a") == bytes(4)
    assert cache.kept("4", "b") is None
    assert reads == {"4": 1}


def test_a_shard_that_cannot_be_read_is_not_kept() -> None:
    shards = Shards(f"memory://{os.urandom(4).hex()}")
    images = patch_images(shards, 1000)
    with pytest.raises(NotFound):
        images.get("patches/one")
    shards.write_rows("patches/one", {"id": ["p", "q"], "jpeg": [b"P", b"Q"]})
    assert images.get("patches/one") == {"p": b"P", "q": b"Q"}


def test_a_thread_does_not_wait_for_the_shard_of_another() -> None:
    other_was_read = threading.Event()

    def read(name: str) -> str:
        if name == "slow":
            assert other_was_read.wait(60)
        return name

    cache = ShardCache(read, len, 100)
    slow = threading.Thread(target=cache.get, args=("slow",))
    slow.start()
    assert cache.get("quick") == "quick"
    other_was_read.set()
    slow.join()
