"""Tests of random streams: every draw of a training names its stream, and streams have distinct numbers."""

import re
from itertools import combinations
from pathlib import Path

from training.random_streams import RandomStream, generator

TRAINING = Path(__file__).parents[2] / "training"


def test_no_two_streams_share_a_number():
    members = RandomStream.__members__  # includes aliases, which iteration omits
    assert len({int(stream) for stream in members.values()}) == len(members)
    first = {name: generator(3, stream, 5).random() for name, stream in members.items()}
    assert all(first[a] != first[b] for a, b in combinations(first, 2))


def test_no_other_module_seeds_by_several_numbers():
    """A generator seeded with a tuple or list could repeat a stream; a single seed, as in the measures, cannot."""
    seeded = re.compile(r"default_rng\(\s*[\[(]")
    found = {
        path.relative_to(TRAINING).as_posix() for path in TRAINING.rglob("*.py") if seeded.search(path.read_text())
    }
    assert found == {"random_streams.py"}


def test_a_stream_repeats_itself():
    one, again, other = (generator(1, RandomStream.FRAMES, epoch).permutation(50) for epoch in (2, 2, 3))
    assert one.tolist() == again.tolist() != other.tolist()
