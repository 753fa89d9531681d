"""Tests of units: the search against a naive one, fields inside the sheet, resuming, and unsuitable input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graph.errors import Cancelled, InvalidInput
from tests.training.small import SOURCE
from training.evaluation.patches import Patches, folder_patches, source_patches
from training.evaluation.responses import SHOWN, Responses
from training.evaluation.subject import Subject
from training.evaluation.unit_file import read_units
from training.evaluation.units import conv5_3, evaluate_units
from training.networks import vgg16_features


def test_the_search_equals_a_naive_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    maps = generator.random((40, 5, 3, 4), dtype=np.float32)
    tracks = [str(row // 2) for row in range(40)]
    responses = Responses(5)
    for first in range(0, 40, 7):
        responses.add(maps[first : first + 7], tracks[first : first + 7])
        responses.save(tmp_path / "state.json", "me")
        responses = Responses.load(tmp_path / "state.json", "me", 5)
    for unit in range(5):
        order = sorted(range(40), key=lambda row: -maps[row, unit].max())
        best = list(dict.fromkeys(tracks[row] for row in order))[:SHOWN]
        naive = [next(row for row in order if tracks[row] == track) for track in best]
        assert [one.row for one in responses.top[unit]] == naive
        assert all(maps[one.row, unit, one.y, one.x] == np.float32(one.value) for one in responses.top[unit])
        highest = maps[:, unit].reshape(40, -1).max(1).astype(float)
        expected = (highest[naive].mean() - highest.mean()) / highest.std()
        assert responses.selectivity()[unit] == pytest.approx(expected)
    assert Responses.load(tmp_path / "state.json", "another", 5).searched == 0


def test_a_dead_unit_is_not_selective() -> None:
    maps = np.random.default_rng(0).random((10, 3, 2, 2), dtype=np.float32)
    maps[:, 1] = 0
    responses = Responses(3)
    responses.add(maps, [str(row) for row in range(10)])
    assert sorted(responses.most_selective(3)) == [0, 2]


def test_conv5_3_before_pooling_is_torchvisions_chain(subject: Subject) -> None:
    images = torch.rand((2, 3, 96, 96))
    features = vgg16_features(0.02)
    features.load_state_dict(subject.features.state_dict())
    with torch.inference_mode():
        assert torch.equal(conv5_3(subject, images), features[:30](images))


def test_units_are_shown_and_a_stopped_run_goes_on(subject: Subject, tmp_path: Path) -> None:
    patches = source_patches(SOURCE)
    names = ("stopped", "whole")

    def stop(stage: str, done: int, total: int, unit: str) -> None:
        if stage == "units, receptive fields" and done == SHOWN + 2:  # within the second unit
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate_units(subject, patches, tmp_path / "stopped", most_selective=2, device="cpu", progress=stop)
    read: list[int] = []
    counted = Patches(patches.ids, patches.tracks, lambda rows: (read.append(len(rows)), patches.read(rows))[1], True)
    resumed, whole = (
        evaluate_units(
            subject, counted if name == "stopped" else patches, tmp_path / name, most_selective=2, device="cpu"
        )
        for name in names
    )
    assert read == [SHOWN, SHOWN]  # the responses of all patches were kept
    assert resumed == whole
    written = read_units(tmp_path / "whole")
    assert written is not None
    assert written.units == whole
    assert written.patch_ids
    assert set(whole[0].patches) <= set(SOURCE.table().ids)
    with Image.open(tmp_path / "whole" / "units.png") as sheet:
        assert sheet.size == (70 + SHOWN * 100, 2 * 100 + 4)


def test_what_cannot_be_shown_is_said(subject: Subject, labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no picture"):
        folder_patches(tmp_path)
    patches = folder_patches(labelled)
    assert patches.ids[0] == "train/blue/0.png"
    with pytest.raises(InvalidInput, match=r"There is no unit 99: .* units 0 to 9"):
        evaluate_units(subject, patches, tmp_path, units=(99,), device="cpu")
    few = Patches(patches.ids[:5], patches.tracks[:5], patches.read, are_graphs=False)
    with pytest.raises(InvalidInput, match="Only 5 pictures to search"):
        evaluate_units(subject, few, tmp_path, device="cpu")
