"""Measures against scikit-learn and pytorch-metric-learning, and on vectors whose health is known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import roc_auc_score

from graph.errors import InvalidInput
from tests.training.small import SOURCE, train_small
from tests.training.tiny import TinySource
from training.batches import Links
from training.encoder import Encoder
from training.evaluation.compare import COLUMNS, Comparison, compare, interval, with_images
from training.evaluation.health import HealthSet, health
from training.evaluation.measure import evaluate_health, evaluate_retrieval
from training.evaluation.retrieval import labelled_images, neighbours, retrieval
from training.heldout import health_set
from training.recipes import get_recipe


def clustered(noise, classes=6, each=11, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((classes, 16))
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + noise * generator.standard_normal((len(labels), 16)), labels


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_retrieval_equals_pytorch_metric_learning(noise):
    vectors, labels = clustered(noise)
    unit = torch.tensor(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=torch.float32)
    theirs = AccuracyCalculator(include=("precision_at_1", "mean_average_precision_at_r")).get_accuracy(
        unit, torch.tensor(labels)
    )
    ours = retrieval(vectors, labels)
    assert ours["precision@1"] == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert ours["mAP@R"] == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)


def test_knn_equals_a_naive_vote():
    vectors, labels = clustered(1.5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right = 0
    for query in range(len(labels)):
        order = sorted((row for row in range(len(labels)) if row != query), key=lambda row: -(unit[query] @ unit[row]))
        votes = [int(labels[row]) for row in order[:20]]
        most = max(votes.count(label) for label in set(votes))
        tied = [label for label in set(votes) if votes.count(label) == most]
        if len(tied) == 1:
            right += tied[0] == labels[query]
        else:
            right += retrieval_tie(votes, tied) == labels[query]
    assert retrieval(vectors, labels)["kNN-20"] == pytest.approx(right / len(labels), abs=0.02)


def retrieval_tie(votes, tied):
    return min(tied, key=lambda label: sum(place for place, vote in enumerate(votes) if vote == label))


def test_neighbours_leave_the_query_out_and_come_nearest_first():
    vectors, _ = clustered(1.0)
    rows, cosines = neighbours(vectors, 10)
    assert not (rows == np.arange(len(rows))[:, None]).any()
    assert (np.diff(cosines, axis=1) <= 0).all()


def track_set(videos):
    count = len(videos)
    return HealthSet(np.arange(2 * count), np.array(videos, np.int32), np.zeros((0, 2), np.int64))


def test_health_of_a_perfect_and_a_blind_embedding():
    starts = np.eye(12, dtype=np.float32)
    perfect = health(np.repeat(starts, 2, axis=0), track_set(range(12)))
    assert perfect["auc"] == 1.0
    assert perfect["recall@1"] == 1.0
    assert perfect["alignment"] == pytest.approx(0.0, abs=1e-6)
    assert perfect["effective_rank"] == pytest.approx(12.0, rel=1e-3)
    blind = health(np.ones((24, 4), np.float32), track_set(range(12)))
    assert blind["auc"] == 0.5
    assert blind["effective_rank"] == pytest.approx(1.0, abs=1e-2)
    assert blind["uniformity"] == pytest.approx(0.0, abs=1e-5)


def test_auc_equals_scikit_learn():
    generator = np.random.default_rng(2)
    vectors = generator.standard_normal((60, 5)).astype(np.float32)
    videos = generator.integers(0, 4, 30)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    draws = np.random.default_rng(0)
    a, b = np.repeat(np.arange(30), 10), draws.integers(0, 30, 300)
    other = videos[a] != videos[b]
    positive = [unit[2 * t] @ unit[2 * t + 1] for t in range(30)]
    negative = [unit[2 * s] @ unit[2 * e + 1] for s, e in zip(a[other], b[other], strict=True)]
    expected = roc_auc_score([1] * len(positive) + [0] * len(negative), positive + negative)
    assert health(vectors, track_set(videos))["auc"] == pytest.approx(expected, abs=1e-6)


def test_transitive_recall_finds_the_ends_of_linked_tracks():
    groups = np.repeat(np.arange(4), 3)  # four objects seen in three videos each
    vectors = np.repeat(np.eye(4, dtype=np.float32)[groups], 2, axis=0)
    links = np.array([(a, b) for a in range(12) for b in range(a + 1, 12) if groups[a] == groups[b]])
    linked = HealthSet(np.arange(24), np.arange(12, dtype=np.int32), links)
    assert health(vectors, linked)["transitive_recall@5"] == 1.0
    shuffled = np.random.default_rng(0).standard_normal((24, 8)).astype(np.float32)
    assert health(shuffled, linked)["transitive_recall@5"] < 0.8


def test_only_held_out_videos_are_measured():
    table = SOURCE.table()
    tracks = health_set(table, Links(table, SOURCE))
    assert table.held_out[tracks.rows].all()
    assert len(tracks.videos) == 6


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    for label, colour in enumerate(((200, 30, 30), (30, 200, 30), (30, 30, 200))):
        (folder / f"class{label}").mkdir()
        for index in range(8):
            noise = np.random.default_rng((label, index)).integers(-25, 25, (70, 110, 3))
            picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"class{label}" / f"{index}.png")
    return folder


def test_labelled_images_are_centre_squares(pictures):
    images, labels, classes = labelled_images(pictures)
    assert images.shape == (24, 96, 96, 3)
    assert np.bincount(labels).tolist() == [8, 8, 8]
    assert classes == ["class0", "class1", "class2"]
    with pytest.raises(InvalidInput, match="folder of pictures per class"):
        labelled_images(pictures / "class0")


def test_compare_trains_measures_and_writes_one_table(tmp_path, pictures, monkeypatch):
    from tests.training import small
    from training.evaluation import compare as module

    train_small(tmp_path, "context", seed=0, changes={"iterations": 2})
    monkeypatch.setattr(module, "get_recipe", lambda name, preset: small.small(name))
    result = compare(
        ("scratch", "context", "tracking"),
        lambda name: SOURCE,
        tmp_path / "out",
        preset="demo",
        seeds=2,
        initial=tmp_path / "context",
        images=32,
        labelled=pictures,
        device="cpu",
    )
    assert [len(result.measures[name]) for name in ("scratch", "context", "tracking")] == [2, 1, 2]
    written = json.loads((tmp_path / "out/comparison.json").read_text())
    assert written["measures"] == result.measures
    assert "| tracking |" in (tmp_path / "out/comparison.md").read_text()
    assert (tmp_path / "out/tracking-s0-neighbours.png").is_file()
    assert "±" in result.markdown()
    assert result.html().count("<tr>") == 4
    card = json.loads((tmp_path / "out/tracking-s0/model.json").read_text())
    assert card["images_encoded"] == 32


def test_health_and_retrieval_of_a_model(tmp_path, pictures):
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    encoder = Encoder.load(tmp_path / "tracking", "cpu")
    found = evaluate_health(encoder, SOURCE)
    assert found.keys() == {"pool5", "embedding"}
    assert 0 <= found["embedding"]["auc"] <= 1
    assert evaluate_retrieval(encoder, pictures)["pool5"]["precision@1"] > 0.9  # three plain colours
    with pytest.raises(InvalidInput, match="No held-out video"):
        evaluate_health(encoder, TinySource())


def test_every_recipe_gets_the_same_number_of_images():
    for name in ("transitive", "tracking", "inter", "multitask"):
        recipe = with_images(get_recipe(name, "demo"), 20_000)
        assert recipe.iterations * recipe.images_per_step == pytest.approx(20_000, rel=0.01)


def test_interval_is_students():
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-5)
    assert np.isnan(interval([1.0])[1])
    assert Comparison({"x": [{COLUMNS[0]: 0.5}]}, 1, "demo").markdown().count("0.500") == 1
