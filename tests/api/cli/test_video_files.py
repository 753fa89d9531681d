"""Tests of the search for videos: every file found is taken, or listed with its reason."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.usage import WrongCall
from api.cli.video_files import NO_VIDEO, SUFFIXES, find_videos
from graph.errors import InvalidInput
from tests.integration.conftest import draw_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return draw_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 1, frames=10).read_bytes()


def test_a_file_named_is_taken_and_a_path_that_does_not_exist_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "odd.bin").write_bytes(b"x")
    (tmp_path / "a.mp4").write_bytes(b"x")
    found = find_videos([tmp_path / "odd.bin", tmp_path / "a.mp4", tmp_path / "a.mp4"])
    assert found.videos == [(tmp_path / name).resolve() for name in ("odd.bin", "a.mp4")]
    with pytest.raises(WrongCall, match="There is no file or folder"):
        find_videos([tmp_path, tmp_path / "gone"])


def test_what_is_a_video_is_decided_by_looking_inside(tmp_path: Path, clip: bytes) -> None:
    wanted = ["deep/a.mp4", "deep/er/B.MKV", "deep/camera.dav", "deep/no suffix"]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in wanted:
        (tmp_path / name).write_bytes(clip)
    (tmp_path / "deep" / "notes.txt").write_text("not a video")
    (tmp_path / "deep" / "empty").touch()
    found = find_videos([tmp_path / "deep"])
    assert set(found.videos) == {(tmp_path / name).resolve() for name in wanted}
    assert {path.name: reason for path, reason in found.left_out.items()} == {"notes.txt": NO_VIDEO, "empty": NO_VIDEO}
    assert ".dav" not in SUFFIXES


def test_links_and_pipes_are_listed_and_a_linked_file_is_taken(tmp_path: Path, clip: bytes) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.mp4").write_bytes(clip)
    (folder / "camera1").symlink_to(elsewhere)
    (folder / "round").symlink_to(folder)
    (folder / "linked.mp4").symlink_to(elsewhere / "a.mp4")
    (folder / "dead.mp4").symlink_to(elsewhere / "gone")
    os.mkfifo(folder / "pipe.mp4")
    found = find_videos([folder])
    assert found.videos == [(elsewhere / "a.mp4").resolve()]
    reasons = {path.name: reason for path, reason in found.left_out.items()}
    assert reasons.keys() == {"camera1", "round", "dead.mp4", "pipe.mp4"}
    assert "not searched" in reasons["camera1"]
    assert "does not exist" in reasons["dead.mp4"]
    (folder / "linked.mp4").unlink()
    with pytest.raises(InvalidInput, match=r"No video in .*not searched"):
        find_videos([folder])


# Root can read every file, so the search runs without this capability.
_AS_A_USER = ["setpriv", "--inh-caps=-dac_override,-dac_read_search", "--bounding-set=-dac_override,-dac_read_search"]
_SEARCH = (
    "import sys; from pathlib import Path; from api.cli.video_files import find_videos;"
    "r = find_videos([Path(sys.argv[1])]);"
    "print([p.name for p in r.videos], sorted((p.name, w) for p, w in r.left_out.items()), r.unreadable)"
)


def test_unreadable_files_and_folders_are_listed_and_the_others_are_taken(tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "closed").mkdir()
    for name in ("closed/inside.mp4", "good.mp4", "z_noread.mp4"):
        (tmp_path / name).write_bytes(clip)
    (tmp_path / "z_noread.mp4").chmod(0)
    (tmp_path / "closed").chmod(0)
    limited = _AS_A_USER if os.geteuid() == 0 else []
    try:
        done = subprocess.run(
            [*limited, sys.executable, "-c", _SEARCH, str(tmp_path)], capture_output=True, text=True, check=True
        )
    finally:
        (tmp_path / "closed").chmod(0o700)
    reason = "cannot be read (Permission denied)"
    assert done.stdout.strip() == f"{['good.mp4']} {[('closed', reason), ('z_noread.mp4', reason)]} 2"
