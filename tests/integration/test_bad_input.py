"""Tests of a folder with mostly unusable files: each fails with a reason, the good ones are complete."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from graph.connection import Connection
from graph.errors import StorageError
from graph.records import no_progress
from graph.settings import load_settings
from graph.shards import Shards
from tests.integration.conftest import Workshop, assert_files_match, draw_clip, graph_sets
from tests.workers.mining.composites import write_video
from workers.mining.video import mine
from workers.stage_context import StageContext
from workers.stages.ingest import store


def make_folder(folder: Path) -> dict[str, str]:
    """Fill a folder; returns the file names that must fail, each with a word of its reason."""
    folder.mkdir()
    good = draw_clip(folder / os.fsdecode(b"good <b> & 'fine'\n\xe9.mp4"), 5)  # a name that is no UTF-8
    shutil.copy(good, folder / "the same again.mp4")
    write_video(folder / "black.mp4", (np.zeros((240, 320, 3), np.uint8) for _ in range(40)))
    (folder / "empty.mp4").touch()
    (folder / "letter.mp4").write_text("Dear reader, this is no video.\n" * 100)
    draw_clip(folder / "short.mp4", 6, frames=20)
    draw_clip(folder / "still.mp4", 6, frames=1)
    whole = draw_clip(folder / "cut.mp4", 7).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("not looked at")
    reasons = {"empty.mp4": "empty", "letter.mp4": "not a readable video", "short.mp4": "shorter than a track"}
    return reasons | {"still.mp4": "one frame", "cut.mp4": "not a readable video"}


def test_bad_files_are_listed_with_reasons_and_the_good_ones_are_complete(
    workshop: Workshop, connection: Connection, tmp_path: Path
) -> None:
    bad = make_folder(tmp_path / "videos")
    result = workshop.run("ingest", tmp_path / "videos", "--json")
    assert result.code == 1
    reasons = {failure["name"]: failure["reason"] for failure in result.facts["failures"]}
    assert reasons.keys() == bad.keys()
    assert {name: reasons[name] for name, word in bad.items() if word not in reasons[name]} == {}
    assert (result.facts["ingested"], result.facts["doubles"]) == (2, 1)  # the good one and the black one
    assert_files_match(workshop, connection)
    before = graph_sets(connection)
    again = workshop.run("ingest", tmp_path / "videos", "--json")
    assert (again.code, again.facts["already"], again.facts["failed"]) == (1, 2, len(bad))
    assert graph_sets(connection) == before
    listed = workshop.run("ingest", tmp_path / "videos")
    assert all(name in listed.out for name in bad)


def test_a_decoder_that_dies_takes_nothing_along(
    workshop: Workshop, connection: Connection, clip: Path, shared_data: Path
) -> None:
    result = workshop.run("ingest", shared_data / "bad_input", clip, "--json")
    assert result.facts["failed"] + result.facts["ingested"] == 2
    assert workshop.stack.workers["mining"].running()
    assert_files_match(workshop, connection)


def test_detach_returns_job_ids_and_the_work_goes_on(workshop: Workshop, connection: Connection, clip: Path) -> None:
    result = workshop.run("ingest", clip, "--detach", "--json")
    assert result.code == 0
    (job,) = result.facts["jobs"]
    followed = workshop.run("ingest", clip, "--json")  # the same job, so it waits for it
    assert followed.code == 0
    assert connection.read("MATCH (j:Job) RETURN j.id AS id, j.state AS state") == [{"id": job, "state": "done"}]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A real disk of 64 KiB; the test is skipped if none can be mounted."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_reason_and_leaves_nothing_behind(
    connection: Connection, home: Path, tiny_disk: Path, clip: Path
) -> None:
    settings = load_settings()
    mined = mine(clip)
    with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
        store(StageContext(settings, connection, Shards(str(tiny_disk))), lambda: iter([mined]), "clip", no_progress)
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]
    assert not graph_sets(connection)["videos"]
    store(StageContext(settings, connection, Shards(str(home / "data"))), lambda: iter([mined]), "clip", no_progress)
    assert len(graph_sets(connection)["patches"]) == len(mined.patches) > 0
