"""Tests of atomic file replacement: old or new content, no leftovers, no shared temporary file."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graph.atomic_write import PRIVATE, atomic_write, replacement
from graph.errors import StorageError


def test_a_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "card.json"
    atomic_write(file, "old")

    def fail() -> None:
        with replacement(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "x"
    atomic_write(file, b"old")
    with replacement(file) as temporary:
        temporary.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"


def test_writers_of_one_path_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "pack"
    contents = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: atomic_write(file, data), contents))
    assert file.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [file]


def test_modes_follow_the_umask_or_are_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        atomic_write(tmp_path / "shared", "x")
        atomic_write(tmp_path / "private", "x", PRIVATE)
    finally:
        os.umask(before)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file/x could not be written: .*Check the folder"):
        atomic_write(tmp_path / "file" / "x", "data")
