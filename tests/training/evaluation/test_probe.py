"""Tests of the probe: stages against the encoder, both classifiers on known pictures, resuming, bad folders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from graph.errors import Cancelled, Conflict, InvalidInput
from training.encoder import encode
from training.evaluation.evaluation_lock import evaluation_lock
from training.evaluation.linear import PENALTIES
from training.evaluation.probe import evaluate_probe, read_split, wilson
from training.evaluation.stages import stage_features, stage_names
from training.evaluation.subject import Subject, open_subject

CPU = torch.device("cpu")


def test_the_last_stage_and_the_embedding_are_the_encoders_bit_for_bit(subject: Subject) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    found = stage_features(subject, pictures, CPU)
    assert list(found) == stage_names(subject) == ["conv1", "conv2", "conv3", "conv4", "conv5", "embedding"]
    assert np.array_equal(found["conv5"], encode(subject.network, pictures, "pool5", CPU))
    assert np.array_equal(found["embedding"], encode(subject.network, pictures, "embedding", CPU))
    assert {len(vectors[0]) for name, vectors in found.items() if name != "embedding"} == {9 * 8, 9 * 10}


def test_colours_are_told_apart_and_the_file_holds_the_scores(subject: Subject, labelled: Path, tmp_path: Path) -> None:
    scores = evaluate_probe(subject, labelled, tmp_path, "cpu")
    assert scores["conv1"].knn == scores["conv1"].linear == 1.0
    assert scores["conv1"].knn_interval == wilson(18, 18)
    kept = json.loads((tmp_path / "probe.json").read_text())
    assert (kept["train"], kept["test"], kept["classes"]) == (36, 18, ["blue", "green", "red"])
    assert kept["stages"]["conv5"]["linear"] == scores["conv5"].linear


def test_a_stopped_probe_goes_on_with_the_stages_that_are_missing(
    subject: Subject, labelled: Path, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int, unit: str) -> None:
        if unit == "classifiers" and done == 2 * len(PENALTIES) + 1:  # in the third stage
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate_probe(subject, labelled, tmp_path / "stopped", "cpu", stop)
    assert list(json.loads((tmp_path / "stopped/probe.json").read_text())["stages"]) == ["conv1", "conv2"]
    totals: set[int] = set()

    def note(stage: str, done: int, total: int, unit: str) -> None:
        totals.update({total} if unit == "classifiers" else ())

    resumed = evaluate_probe(subject, labelled, tmp_path / "stopped", "cpu", note)
    assert totals == {4 * len(PENALTIES)}
    assert resumed == evaluate_probe(subject, labelled, tmp_path / "whole", "cpu")


def test_wilsons_interval_equals_scipys() -> None:
    for right, count in ((0, 10), (7, 20), (500, 800)):
        theirs = binomtest(right, count).proportion_ci(method="wilson")
        assert wilson(right, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_bad_folders_are_named(subject: Subject, labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"train is missing\. .*fastai/imagenette"):
        read_split(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(labelled, copy)
    (copy / "val" / "blue" / "0.png").write_bytes((labelled / "val" / "blue" / "0.png").read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"blue/0\.png is not a readable picture"):
        evaluate_probe(subject, copy, tmp_path / "out", "cpu")
    shutil.rmtree(copy / "val" / "red")
    with pytest.raises(InvalidInput, match="Class red is in one of"):
        read_split(copy)


def test_two_evaluations_in_one_folder_conflict_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys,pathlib\nfrom training.evaluation.evaluation_lock import evaluation_lock\n"
        "with evaluation_lock(pathlib.Path(sys.argv[1]), 'probe'):\n print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    with pytest.raises(Conflict, match="Another evaluation of probe is running"), evaluation_lock(tmp_path, "probe"):
        pass
    other.kill()
    other.communicate()
    with evaluation_lock(tmp_path, "probe"):
        pass


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no model 'nothing'"):
        open_subject("nothing", tmp_path)
    scratch = open_subject("scratch", tmp_path, "cpu-small", seed=3)
    again = open_subject("scratch", tmp_path, "cpu-small", seed=3)
    assert scratch.id == "scratch-cpu-small-s3"
    assert torch.equal(scratch.network.features[0].weight, again.network.features[0].weight)


def test_another_trunk_is_refused(tmp_path: Path) -> None:
    from training.networks import Network
    from training.recipe import Recipe

    resnet = Subject("r", Network(Recipe("scratch", trunk="resnet50", iterations=0)), tmp_path)
    with pytest.raises(InvalidInput, match="r has the trunk resnet50"):
        stage_names(resnet)
