"""Tests of the pixel budget: the pixels being decoded are bounded over all threads, and memory is returned."""

import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from training import pictures
from training.pictures import picture_to_patch
from training.pixel_budget import PixelBudget

_MEASURE = """
import io, sys, threading
import psutil
from PIL import Image
from training.pictures import picture_to_patch
file = io.BytesIO()
Image.new(sys.argv[1], (6000, 6000)).save(file, sys.argv[2])
data = file.getvalue()
picture_to_patch("first", data)  # what is loaded once is loaded now
process, peak, done = psutil.Process(), 0, threading.Event()
before = process.memory_info().rss
def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, process.memory_info().rss)
watcher = threading.Thread(target=watch)
watcher.start()
threads = [threading.Thread(target=picture_to_patch, args=("x", data)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
done.set()
watcher.join()
print(len(data), (peak - before) >> 20, (process.memory_info().rss - before) >> 20)
"""


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "WEBP")])
def test_four_bombs_at_once_take_the_memory_of_one_and_give_it_back(mode: str, kind: str) -> None:
    """36 million pixels each, 144 MB as Pillow holds them; two fit neither the budget nor the bound here."""
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURE, mode, kind], capture_output=True, text=True, check=True, timeout=300
    )
    size, peak, left = map(int, ran.stdout.split())
    assert size < 500_000
    assert peak < 600
    assert left < 80


def test_a_large_jpeg_counts_as_what_is_decoded_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two JPEGs of 16 million pixels, decoded at an eighth, pass a budget that one whole picture would fill."""
    file = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(file, "JPEG")
    seen: list[int] = []

    class Noting(PixelBudget):
        def decoding(self, pixels: int):
            seen.append(pixels)
            return super().decoding(pixels)

    monkeypatch.setattr(pictures, "_IN_FLIGHT", Noting(10**6))
    picture_to_patch("x", file.getvalue())
    assert seen == [500 * 500]


def test_never_more_than_the_limit_at_once_and_everybody_gets_a_turn() -> None:
    budget, guard = PixelBudget(100), threading.Lock()
    now, most, done = 0, 0, 0

    def work(pixels: int) -> None:
        nonlocal now, most, done
        with budget.decoding(pixels):
            with guard:
                now += min(pixels, 100)
                most = max(most, now)
            with guard:
                now -= min(pixels, 100)
                done += 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, [1, 30, 99, 100, 101, 10**9, 60, 45] * 25))
    assert done == 200
    assert most <= 100


def test_a_failure_gives_its_pixels_back() -> None:
    budget = PixelBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), budget.decoding(10):
            raise ValueError("broken")
    with budget.decoding(10):
        pass
