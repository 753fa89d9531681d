"""Tests of `transitive mine`, `transitive track` and the estimate: output, pictures and refused input."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from api.cli.commands import mining
from api.cli.usage import WrongCall
from graph.errors import InvalidInput
from graph.settings import LEAST_CONFIDENCE
from tests.workers.mining.composites import paste, texture, write_video
from tests.workers.mining.test_bad_videos import moving_scene
from workers.mining.estimate import estimate
from workers.mining.isolated import mine_isolated

app = typer.Typer()
mining.register(app)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with 60 frames a second, of which mining would skip every second frame."""
    scene, thing = texture(320, 480, 1), texture(80, 100, 2)
    frames = [paste(scene, thing, (150 + 2 * k, 160 - k)) for k in range(40)]
    return write_video(tmp_path_factory.mktemp("clips") / "clip.mp4", frames, 60)


def run(*arguments: object) -> dict:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("tracker", ["batched-kcf", "cv2-kcf"])
def test_track_gives_one_box_per_frame_after_the_first(clip: Path, tmp_path: Path, tracker: str) -> None:
    sheet = tmp_path / "sheet.png"
    options = [
        "--frame",
        3,
        "--box",
        "106,117,100,80",
        "--frames",
        30,
        "--tracker",
        tracker,
        "--json",
        "--sheet",
        sheet,
    ]
    found = run("track", clip, *options)
    assert len(found["boxes"]) == 30
    truth = np.array([[106 + 2 * k, 117 - k] for k in range(1, 31)])
    assert np.abs(np.array(found["boxes"])[:, :2] - truth).max() < 8
    assert cv2.imread(str(sheet)) is not None


def test_track_stops_where_the_video_does(clip: Path) -> None:
    found = run("track", clip, "--frame", 35, "--box", "170,85,100,80", "--frames", 30, "--json")
    assert len(found["boxes"]) == 4


@pytest.mark.parametrize("tracker", ["batched-kcf", "cv2-kcf"])
@pytest.mark.parametrize("box", ["-20,-10,100,80", "430,280,100,80", "0,0,480,320", "5,5,4,4", "200,10,9,250"])
def test_track_takes_boxes_of_every_shape_also_partly_outside(clip: Path, tracker: str, box: str) -> None:
    found = run("track", clip, "--frame", 0, "--box", box, "--frames", 3, "--tracker", tracker, "--json")
    assert np.isfinite(found["boxes"]).all()
    assert np.shape(found["boxes"]) == (3, 4)


@pytest.mark.parametrize("degrees", [0, 90, 270])
def test_track_speaks_in_pixels_of_the_upright_picture(tmp_path: Path, degrees: int) -> None:
    scene, thing = texture(250, 334, 1), texture(60, 70, 2)  # an odd half, and not 3:2
    upright = [paste(scene, thing, (120 + 2 * k, 100 + k)) for k in range(21)]
    path = write_video(tmp_path / "phone.mp4", [np.rot90(f, degrees // 90) for f in upright], rotate=degrees)
    found = run("track", path, "--frame", 0, "--box", "85,70,70,60", "--frames", 20, "--json")
    truth = np.array([[85 + 2 * k, 70 + k] for k in range(1, 21)])
    assert np.abs(np.array(found["boxes"])[:, :2] - truth).max() < 6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--frame", "0", "--box", "600,10,50,50"], "outside the picture, which has 480×320"),
        (["--frame", "900", "--box", "10,10,50,50"], "has no frame 900: it has 40"),
        (["--frame", "0", "--box", "10,10,50,50", "--tracker", "magic"], "Unknown tracker magic"),
        (["--frame", "0", "--box", "10,10,1,1"], "at least 4 pixels"),
        (["--frame", "0", "--box", "10,nan,50,50"], "at least 4 pixels"),
        (["--frame", "0", "--box", "10,10,inf,50"], "at least 4 pixels"),
    ],
)
def test_track_refuses_what_is_not_there(clip: Path, options: list[str], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        CliRunner().invoke(app, ["track", str(clip), *options], catch_exceptions=False)


def test_a_box_that_is_no_box_is_a_wrong_call(clip: Path) -> None:
    assert CliRunner().invoke(app, ["track", str(clip), "--frame", "0", "--box", "1,2,3"]).exit_code == 2


def test_mine_draws_windows_and_counts_refusals(clip: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "two.mp4", moving_scene(50) + [texture(320, 480, 9)] * 40)
    sheet = tmp_path / "sheet.png"
    facts = run("mine", path, "--sheet", sheet, "--json")
    report = facts["report"]
    assert report["tracks"] == facts["patches"] / 2 == len(facts["tracks"]) > 0
    assert report["trusted_tracks"] == sum(track["confidence"] >= LEAST_CONFIDENCE for track in facts["tracks"]) > 0
    assert len(facts["windows"]) == report["windows"]
    for track in facts["tracks"]:
        assert track["frames"][1] - track["frames"][0] == 30
        assert all(0 <= x <= 480 - w and 0 <= y <= 320 - h for x, y, w, h in track["boxes"])
    refused = [window["reason"] for window in facts["windows"] if window["reason"]]
    assert len(refused) == sum(report["refused_windows"].values())
    assert report["refused_windows"]["static"] > 0
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] > 600
    assert (picture.max(axis=2) > 60).mean() > 0.1


def test_a_missing_video_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="no file"):
        CliRunner().invoke(app, ["mine", str(tmp_path / "none.mp4")], catch_exceptions=False)


def test_every_edge_says_how_far_it_can_be_trusted(clip: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", moving_scene(40))
    tracks = mine_isolated(path).tracks
    assert tracks
    for track in tracks:
        assert {
            "peak_first",
            "peak_mean",
            "same_greys",
            "texture",
            "moving",
            "contrast",
            "background",
            "first_last_correlation",
            "displacement",
        } <= set(track.trust)
        assert 0 < track.confidence <= 1
        assert 0.5 < track.trust["background"] <= 1


def test_the_estimate_counts_frames_without_decoding(clip: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    other = write_video(tmp_path / "other.mp4", moving_scene(61))
    found = estimate([clip, other, bad])
    assert (found.videos, found.unreadable, found.frames) == (2, 1, 101)
    assert found.patches > 0
    assert found.bytes > 4_000 * found.patches


def test_the_estimate_is_within_thirty_percent_on_real_clips(shared_data: Path) -> None:
    paths = sorted((shared_data / "videos").iterdir())[::12]
    mined = [mine_isolated(path) for path in paths]
    found = estimate(paths)
    assert found.frames == sum(m.video.frames for m in mined)
    assert found.patches == pytest.approx(sum(len(m.patches) for m in mined), rel=0.3)
