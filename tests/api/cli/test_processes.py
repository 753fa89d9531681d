"""Tests of the processes of a local stack: their temporary files."""

import time

import pytest

from api.cli.processes import StackProcess

LEAVE_ONE = "import tempfile; tempfile.mkstemp()"


def run(process: StackProcess, code: str) -> None:
    process.start(["-c", code], {})
    end = time.monotonic() + 30
    while process.running():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_temporary_files_are_in_the_home_and_the_next_start_deletes_those_of_a_killed_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("h")
    process = StackProcess(home, "api")
    run(process, LEAVE_ONE)
    (left,) = (home / "tmp" / "api").iterdir()
    run(process, LEAVE_ONE)
    (other,) = (home / "tmp" / "api").iterdir()
    assert left != other


def test_a_home_whose_path_is_too_long_for_sockets_keeps_the_systems_temporary_folder(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("h" * 80)
    run(StackProcess(home, "api"), "pass")
    assert not (home / "tmp").exists()
