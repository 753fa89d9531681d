"""Frames shared between processes: the bytes of the list that was given, in this process and in another."""

import multiprocessing
import pickle

import pytest

from training.shared_frames import SharedFrames

FRAMES = [b"first", b"", b"third frame"]


def test_it_is_the_sequence_that_was_given():
    shared = SharedFrames(FRAMES)
    assert list(shared) == FRAMES
    assert shared[-1] == FRAMES[-1]
    assert shared[1:] == FRAMES[1:]
    with pytest.raises(IndexError):
        shared[3]


def test_a_copy_reads_the_same_memory_and_its_pickle_holds_no_frame():
    shared = SharedFrames([b"a frame"] * 1000)
    pickled = pickle.dumps(shared)
    assert b"a frame" not in pickled
    assert list(pickle.loads(pickled)) == list(shared)


def test_another_process_reads_the_same_frames():
    shared = SharedFrames(FRAMES)
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        assert pool.apply(list, (shared,)) == FRAMES
