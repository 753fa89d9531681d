"""Tests that every test named in docs/threats.md and in the folders of regressions exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")

# each folder of ../shared/data/regressions: tests of its files, and of further inputs of our own
MINING = "tests/workers/mining"
REGRESSIONS = {
    "damaged-pictures": [
        f"{MINING}/test_damage.py::test_concealed_damage_of_one_group_of_pictures_leaves_no_patch_behind_it",
        f"{MINING}/test_damage.py::test_packets_lost_from_a_transport_stream",
        f"{MINING}/test_damage.py::test_mining_goes_on_at_the_next_key_frame",
        f"{MINING}/test_damage.py::test_a_damaged_picture_takes_the_b_pictures_before_it_along",
    ],
    "folder-scan": [
        "tests/api/cli/test_video_files.py::test_unreadable_files_and_folders_are_listed_and_the_others_are_taken",
        "tests/api/cli/test_video_files.py::test_links_and_pipes_are_listed_and_a_linked_file_is_taken",
        "tests/api/cli/test_video_files.py::test_what_is_a_video_is_decided_by_looking_inside",
    ],
    "hdr": [
        f"{MINING}/test_view.py::test_hdr_of_pq_looks_as_the_same_scene_in_sdr",
        f"{MINING}/test_view.py::test_hdr_of_our_own",
        f"{MINING}/test_view.py::test_hdr_is_the_same_in_every_pixel_format",
    ],
    "http": [
        "tests/api/http/test_hostile_requests.py::test_a_wrong_content_type_is_refused",
        "tests/api/http/test_restart.py::test_the_first_readiness_after_a_restart_of_redis_is_no_500",
        "tests/integration/test_dead_workers.py::"
        "test_the_api_alone_notices_a_dead_mining_worker_and_queues_its_job_again",
        "tests/api/http/test_hostile_requests.py::test_head_is_answered_like_get_without_a_body",
    ],
    "mirrored": [
        f"{MINING}/test_view.py::test_display_matrices_look_as_ffmpeg_shows_them",
        f"{MINING}/test_view.py::test_all_orientations_in_pictures_and_boxes",
        f"{MINING}/test_view.py::test_a_matrix_that_scales_or_turns_a_little_counts_as_the_nearest_quarter",
    ],
    "missing-front-timestamps": [
        f"{MINING}/test_clock.py::test_missing_times_at_the_front",
        f"{MINING}/test_clock.py::test_a_camera_that_starts_again_goes_on",
        f"{MINING}/test_clock.py::test_negative_times_at_the_front",
        f"{MINING}/test_clock.py::test_a_gap_ends_a_shot",
    ],
    "pictures": [
        "tests/training/test_pictures.py::test_the_reported_pictures",
        "tests/training/test_pictures.py::test_sixteen_bit_grey_looks_as_eight_bit_grey",
        "tests/training/test_pictures.py::test_palettes_with_a_transparent_colour_are_laid_on_white",
    ],
    "sar": [
        f"{MINING}/test_view.py::test_wide_pixels",
        f"{MINING}/test_view.py::test_high_and_anamorphic_pixels_upright_and_turned",
    ],
    "several-streams": [
        f"{MINING}/test_container.py::test_the_default_stream_counts_before_a_preview",
        f"{MINING}/test_container.py::test_a_file_with_nothing_but_a_thumbnail_is_a_still_picture",
        f"{MINING}/test_container.py::test_a_single_picture_before_the_video",
        f"{MINING}/test_container.py::test_the_default_stream_counts_before_a_larger_one",
    ],
    "size-change": [
        f"{MINING}/test_view.py::test_a_change_of_size_begins_a_shot_and_is_mined",
        f"{MINING}/test_view.py::test_twenty_small_frames_before_the_rest",
        f"{MINING}/test_view.py::test_frames_of_a_size_that_cannot_be_mined_are_counted_under_their_reason",
    ],
    "slow-timelapse": [
        f"{MINING}/test_clock.py::test_ten_seconds_a_frame",
        f"{MINING}/test_clock.py::test_many_seconds_a_frame",
        f"{MINING}/test_clock.py::test_measured_rate",
    ],
    "webm-1000-fps": [
        f"{MINING}/test_clock.py::test_a_browsers_recording_without_a_rate",
        f"{MINING}/test_clock.py::test_a_short_recording_without_a_rate_whose_first_frames_are_a_millisecond_apart",
        f"{MINING}/test_clock.py::test_a_container_that_states_a_wrong_rate",
    ],
}


def _tests_of(file: str) -> set[str]:
    path = ROOT / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def _rows() -> list[str]:
    text = (ROOT / "docs" / "threats.md").read_text()
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| attack")]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.split("|")[1].strip())
def test_each_attack_names_tests_that_exist(row: str) -> None:
    named = NAMED.findall(row)
    assert named, "no test tries this attack"
    assert [(file, name) for file, name in named if name not in _tests_of(file)] == []


@pytest.mark.parametrize("folder", REGRESSIONS)
def test_each_regression_has_tests_that_exist(folder: str) -> None:
    named = [entry.split("::") for entry in REGRESSIONS[folder]]
    assert len(named) >= 2
    assert [(file, name) for file, name in named if name not in _tests_of(file)] == []


def test_no_folder_of_regressions_was_forgotten(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "regressions").iterdir() if path.is_dir()} == set(REGRESSIONS)
