"""Tests of isolation: a decoder that crashes, hangs or exhausts memory ends one process, and the video fails."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from graph.errors import BadVideo, Cancelled
from tests.workers.mining.composites import texture, write_video
from tests.workers.mining.test_bad_videos import moving_scene
from workers.mining import container
from workers.mining.decode import Clip
from workers.mining.isolated import MiningFault, mine_isolated, stop_children
from workers.mining.recipe import Limits, Mining
from workers.mining.video import mine


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "clip.mp4", moving_scene(50))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [texture(360, 640, k % 7) for k in range(7)] * 170
    return write_video(tmp_path_factory.mktemp("clips") / "long.mp4", frames)


@pytest.fixture(autouse=True)
def no_children_left() -> Iterator[None]:
    yield
    stop_children()
    assert children() == []


def children() -> list[psutil.Process]:
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if "workers.mining.child" in child.cmdline()]


def wait_for(condition, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_gives_what_mining_in_this_process_gives(clip: Path) -> None:
    here, there = mine(clip), mine_isolated(clip)
    assert there.patches == here.patches
    assert there.jpegs == here.jpegs
    assert there.tracks == here.tracks
    assert there.report == here.report


def test_where_nvdec_does_not_work_the_processor_decodes(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = mine(clip)
    monkeypatch.setattr(container, "NVIDIA", clip)  # pretend that there is a device, for which no driver answers
    assert mine(clip) == expected


def test_the_child_serves_the_next_video_after_a_bad_one(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    mine_isolated(clip)
    (before,) = children()
    with pytest.raises(BadVideo, match="not a readable video"):
        mine_isolated(tmp_path / "bad.mp4")
    mine_isolated(clip)
    assert [c.pid for c in children()] == [before.pid]


def test_a_defect_is_told_in_one_line_and_its_trace_is_kept_for_the_log(clip: Path) -> None:
    with pytest.raises(MiningFault) as fault:
        mine_isolated(clip, recipe="no recipe")  # type: ignore[arg-type]
    assert str(fault.value).startswith("clip.mp4: AttributeError: 'str' object has no attribute")
    assert "\n" not in str(fault.value)
    assert "workers/mining/video.py" in fault.value.__notes__[0]
    assert mine_isolated(clip).patches  # the child continues


def test_a_crash_is_a_reason_and_the_next_video_is_mined(clip: Path, long_clip: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        mining = pool.submit(mine_isolated, long_clip)
        assert wait_for(lambda: any(c.cpu_times().user > 1.0 for c in children()))
        children()[0].send_signal(signal.SIGSEGV)
        with pytest.raises(BadVideo, match=r"crashed its decoder.*SIGSEGV"):
            mining.result(timeout=30)
    assert mine_isolated(clip).tracks


def test_a_hang_is_given_up(long_clip: Path, clip: Path) -> None:
    with pytest.raises(BadVideo, match="TRANSITIVE_MINING_SECONDS"):
        mine_isolated(long_clip, Limits(seconds=0.3))
    assert children() == []
    assert mine_isolated(clip).tracks


def test_too_much_memory_is_a_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", [texture(2160, 3840, 1)] * 2)
    with pytest.raises(BadVideo, match="TRANSITIVE_MINING_MEMORY_MB"):
        mine_isolated(path, Limits(memory_mb=48))


def test_cancelling_stops_the_child(long_clip: Path) -> None:
    def stop(stage: str, done: int, total: int, unit: str) -> None:
        raise Cancelled("asked to stop")

    with pytest.raises(Cancelled):
        mine_isolated(long_clip, progress=stop)
    assert children() == []


def test_a_silent_child_is_killed_within_seconds_of_a_cancel(long_clip: Path) -> None:
    asked = threading.Event()

    def ask(stage: str, done: int, total: int, unit: str) -> None:
        if asked.is_set():
            raise Cancelled("asked to stop")

    with ThreadPoolExecutor(1) as pool:
        mining = pool.submit(mine_isolated, long_clip, progress=ask)
        assert wait_for(lambda: any(c.cpu_times().user > 1.0 for c in children()))
        children()[0].send_signal(signal.SIGSTOP)  # simulates native code that hangs
        time.sleep(0.5)
        asked.set()
        with pytest.raises(Cancelled):
            mining.result(timeout=10)
    assert children() == []


def test_a_decoder_without_progress_is_given_up_before_the_time_is_over(long_clip: Path, clip: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        mining = pool.submit(mine_isolated, long_clip, Limits(seconds=600, stall_seconds=3))
        assert wait_for(lambda: any(c.cpu_times().user > 1.0 for c in children()))
        children()[0].send_signal(signal.SIGSTOP)
        with pytest.raises(BadVideo, match=r"made no progress for 3 s\. TRANSITIVE_MINING_STALL_SECONDS"):
            mining.result(timeout=20)
    assert children() == []
    assert mine_isolated(clip).tracks


def test_progress_is_reported_often_enough_for_the_limit_without_progress(long_clip: Path) -> None:
    reports: list[int] = []
    with Clip(long_clip, Limits(), Mining()) as opened:
        frames = sum(1 for _ in opened.frames(lambda stage, done, total, unit: reports.append(done)))
    assert len(reports) >= frames // 32
    assert reports == sorted(reports)


def test_the_child_dies_with_its_parent(long_clip: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from workers.mining.isolated import *; mine_isolated(Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(long_clip)], cwd=Path(__file__).parents[3])
    process = psutil.Process(parent.pid)
    assert wait_for(lambda: len(process.children()) == 1 and process.children()[0].cpu_times().user > 0.5)
    (child,) = process.children()
    os.kill(child.pid, signal.SIGSTOP)  # simulates native code that hangs and runs no Python
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    os.kill(child.pid, signal.SIGCONT)
    assert wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_file_that_kills_opencvs_reader(shared_data: Path, clip: Path) -> None:
    for path in sorted((shared_data / "bad_input").iterdir()):
        with pytest.raises(BadVideo, match=path.stem):
            mine_isolated(path)
    assert mine_isolated(clip).tracks
