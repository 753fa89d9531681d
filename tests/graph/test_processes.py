"""Tests of finding processes by id and start time: running, ended, zombie, and another process with the same id."""

import subprocess
import sys
import time

import psutil

from graph.processes import find_process


def test_a_running_process_is_found_by_its_rounded_start_time() -> None:
    me = psutil.Process()
    for started in (me.create_time(), int(me.create_time()), round(me.create_time())):
        found = find_process(me.pid, started)
        assert found is not None
        assert found.pid == me.pid


def test_another_process_with_the_same_id_is_not_taken_for_it() -> None:
    me = psutil.Process()
    assert find_process(me.pid, me.create_time() - 60) is None


def test_an_ended_child_is_reaped_and_not_found() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = psutil.Process(child.pid).create_time()
    deadline = time.monotonic() + 30
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert find_process(child.pid, started) is None
    assert not psutil.pid_exists(child.pid)
    child.wait()
    assert find_process(child.pid, started) is None
