"""Tests of the choice of pairs A, A' from a track, against its rules."""

import numpy as np
import pytest

from workers.importing.sequences import TrackedBox, choose_pairs


def track(frames):
    return [TrackedBox(int(frame), (0, 0, 9, 9)) for frame in frames]


def chosen(frames, track_length, stride):
    return [(a.frame, b.frame) for a, b in choose_pairs(track(frames), track_length, stride)]


def test_starts_are_a_stride_apart_and_no_box_is_used_twice():
    assert chosen(range(100), 30, 15) == [(0, 30), (15, 45), (31, 61), (46, 76), (62, 92), (77, 99)]


def test_a_short_track_gives_one_pair_and_a_single_box_none():
    assert chosen(range(5, 13), 30, 15) == [(5, 12)]
    assert chosen([7], 30, 15) == []
    assert chosen([], 30, 15) == []


def test_the_end_is_the_last_box_before_a_gap_and_never_further():
    assert chosen([0, 10, 29, 60, 90], 30, 15) == [(0, 29), (60, 90)]
    assert chosen([0, 31], 30, 15) == []


def test_views_pair_with_the_view_so_many_further():
    assert chosen(range(8), 2, 1) == [(0, 2), (1, 3), (4, 6), (5, 7)]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_keep_to_the_rule_on_random_tracks(seed):
    generator = np.random.default_rng(seed)
    frames = np.flatnonzero(generator.random(200) < generator.uniform(0.05, 1))
    length, stride = int(generator.integers(1, 40)), int(generator.integers(1, 20))
    pairs = chosen(frames, length, stride)
    for a, b in pairs:
        assert a < b <= a + length
        assert b == max(frame for frame in frames if frame <= a + length)
    assert len({frame for pair in pairs for frame in pair}) == 2 * len(pairs)
    assert (np.diff([a for a, _ in pairs]) >= stride).all()
    if len(frames) > 1 and np.diff(frames).min() <= length:
        assert pairs
