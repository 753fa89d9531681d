"""Tests of models' measures: against scikit-learn, pytorch-metric-learning and naive loops, and on known vectors."""

import json
import shutil
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import roc_auc_score

from graph.errors import InvalidInput
from tests.training.small import SOURCE, train_small
from tests.training.tiny import TinySource
from training.batches import Cursor, ranking_batches
from training.encoder import Encoder
from training.evaluation.compare import compare, with_image_budget
from training.evaluation.measure import evaluate_held_out, evaluate_retrieval
from training.evaluation.retrieval import labelled_pictures, neighbours, retrieval
from training.evaluation.table import Comparison, interval
from training.held_out import choose_held_out_tracks
from training.held_out_metrics import HeldOutTracks, end_ranks, held_out_metrics
from training.links import Links
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
    return HeldOutTracks(np.arange(2 * count), np.array(videos, np.int32), np.zeros((0, 2), np.int64))


def test_metrics_of_a_perfect_and_a_blind_embedding():
    starts = np.eye(12, dtype=np.float32)
    perfect = held_out_metrics(np.repeat(starts, 2, axis=0), track_set(range(12)))
    assert perfect["auc"] == 1.0
    assert perfect["recall@1"] == 1.0
    assert perfect["alignment"] == pytest.approx(0.0, abs=1e-6)
    assert perfect["effective_rank"] == pytest.approx(12.0, rel=1e-3)
    blind = held_out_metrics(np.ones((24, 4), np.float32), track_set(range(12)))
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
    assert held_out_metrics(vectors, track_set(videos))["auc"] == pytest.approx(expected, abs=1e-6)


def test_transitive_recall_finds_the_ends_of_linked_tracks():
    groups = np.repeat(np.arange(4), 3)  # four objects seen in three videos each
    vectors = np.repeat(np.eye(4, dtype=np.float32)[groups], 2, axis=0)
    links = np.array([(a, b) for a in range(12) for b in range(12) if a != b and groups[a] == groups[b]])
    linked = HeldOutTracks(np.arange(24), np.arange(12, dtype=np.int32), links)
    assert held_out_metrics(vectors, linked)["transitive_recall@5"] == 1.0
    # Below 1: a random end of another video may be the same object.
    assert held_out_metrics(vectors, linked)["transitive_auc"] > 0.85
    shuffled = np.random.default_rng(0).standard_normal((24, 8)).astype(np.float32)
    assert held_out_metrics(shuffled, linked)["transitive_recall@5"] < 0.8


def test_only_held_out_videos_are_measured():
    table = SOURCE.table()
    tracks = choose_held_out_tracks(table, Links(table, SOURCE))
    assert table.held_out[tracks.rows].all()
    assert tracks.count == len(tracks.videos) == 6
    assert not len(tracks.links)  # one video is held out, and links go from video to video


def test_links_of_held_out_tracks_lead_to_the_ends_of_other_videos():
    table, links = SOURCE.table(), Links(SOURCE.table(), SOURCE)
    tracks = choose_held_out_tracks(table, links, distractors=100)
    assert (tracks.count, len(tracks.videos)) == (6, 24)  # six tracks in each of four videos
    ends = np.concatenate([tracks.rows[1:12:2], tracks.rows[12:]])
    assert not table.held_out[ends[6:]].any()
    starts = tracks.rows[0:12:2]
    found = {(int(starts[track]), int(table.track[ends[end]])) for track, end in tracks.links}
    expected = {(int(start), int(other)) for start in starts for other in links.of(int(start))}
    assert found == expected
    few = choose_held_out_tracks(table, links, most=2, distractors=7)
    assert (few.count, len(few.videos)) == (2, 9)
    assert len(few.links) == 6  # three other videos each: the ends of linked tracks come before the rest


def test_measures_equal_a_naive_loop():
    generator = np.random.default_rng(4)
    table, links = SOURCE.table(), Links(SOURCE.table(), SOURCE)
    tracks = choose_held_out_tracks(table, links, distractors=100)
    vectors = generator.standard_normal((len(tracks.rows), 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    starts, ends = unit[0:12:2], np.concatenate([unit[1:12:2], unit[12:]])
    near = [sorted(range(24), key=lambda end, t=t: -(starts[t] @ ends[end])) for t in range(6)]
    found = held_out_metrics(vectors, tracks)
    for k in (1, 5):
        assert found[f"recall@{k}"] == pytest.approx(np.mean([t in near[t][:k] for t in range(6)]))
    assert end_ranks(vectors, tracks).tolist() == [near[t].index(t) for t in range(6)]
    hits = [end in [other for other in near[track] if other != track][:5] for track, end in tracks.links]
    assert found["transitive_recall@5"] == pytest.approx(np.mean(hits))
    own = [starts[t] @ ends[t] for t in range(6)]
    assert found["alignment"] == pytest.approx(np.mean([2 - 2 * cosine for cosine in own]), abs=1e-5)
    apart = [((unit[i] - unit[j]) ** 2).sum() for i in range(12) for j in range(i)]
    assert found["uniformity"] == pytest.approx(np.log(np.mean(np.exp(-2 * np.array(apart)))), abs=1e-5)


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


def test_labelled_pictures_are_centre_squares(pictures):
    images, labels, classes = labelled_pictures(pictures)
    assert images.shape == (24, 96, 96, 3)
    assert np.bincount(labels).tolist() == [8, 8, 8]
    assert classes == ["class0", "class1", "class2"]
    with pytest.raises(InvalidInput, match="folder of pictures per class"):
        labelled_pictures(pictures / "class0")


def test_compare_trains_measures_and_writes_one_table(tmp_path, pictures, monkeypatch):
    from tests.training import small
    from training.evaluation import compare as module

    train_small(tmp_path, "context", seed=0, changes={"iterations": 2})
    monkeypatch.setattr(module, "get_recipe", lambda name, preset, start="": small.small(name))
    stages = []

    def run(seeds):
        return compare(
            ("scratch", "context", "tracking"),
            lambda name: SOURCE,
            tmp_path / "out",
            preset="demo",
            seeds=seeds,
            initial=tmp_path / "context",
            image_budget=32,
            labelled=pictures,
            kinds=("dog", "dog", "cat", "cat"),
            device="cpu",
            facts={"start": "the context model"},
            progress=lambda stage, done, total, unit: stages.append((stage, done, total)),
        )

    result = run(2)
    assert stages[0] == ("comparison", 0, 5)
    assert stages[-1] == ("comparison", 5, 5)
    assert [len(result.measures[name]) for name in ("scratch", "context", "tracking")] == [2, 1, 2]
    written = json.loads((tmp_path / "out/comparison.json").read_text())
    assert written["measures"] == result.measures
    assert all(0 <= run["kinds/pool5/precision@1"] <= 1 for runs in result.measures.values() for run in runs)
    assert written["table"]["context"]["health/pool5/auc"][1] is None  # one model: no interval, and no NaN in JSON
    assert written["start"] == "the context model"
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count("<tr>") == 4
    assert 'src="tracking-s1-neighbours.png"' in page
    assert "| tracking |" in (tmp_path / "out/comparison.md").read_text()
    assert (tmp_path / "out/tracking-s0-neighbours.png").is_file()
    assert "±" in result.markdown()
    card = json.loads((tmp_path / "out/tracking-s0/model.json").read_text())
    assert card["images_encoded"] == 32

    # a second run with more seeds keeps the existing rows and does not measure them again
    measured, tables = [], []
    monkeypatch.setattr(
        module, "_measure", lambda folder, *rest: measured.append(folder.name) or {"training/images": 1}
    )
    monkeypatch.setattr(module.Comparison, "write", lambda self, folder: tables.append(self.measures))
    more = run(3)
    assert measured == ["scratch-s2", "tracking-s2"]
    assert [len(tables[0][name]) for name in ("scratch", "context", "tracking")] == [2, 1, 2]
    assert more.measures["tracking"][:2] == result.measures["tracking"]

    # after a picture has changed, everything is measured again
    extra = shutil.copytree(pictures, tmp_path / "pictures")
    shutil.copy(next((extra / "class0").iterdir()), extra / "class0" / "twice.png")
    pictures = extra
    measured.clear()
    run(1)
    assert measured == ["scratch-s0", "context", "tracking-s0"]


def test_held_out_metrics_and_retrieval_of_a_model(tmp_path, pictures):
    train_small(tmp_path, "tracking", changes={"iterations": 2})
    encoder = Encoder.load(tmp_path / "tracking", "cpu")
    found = evaluate_held_out(encoder, SOURCE)
    assert found.keys() == {"pool5", "embedding"}
    assert 0 <= found["embedding"]["auc"] <= 1
    assert evaluate_retrieval(encoder, pictures)["pool5"]["precision@1"] > 0.9  # three plain colours
    with pytest.raises(InvalidInput, match="No held-out video"):
        evaluate_held_out(encoder, TinySource())


def test_every_recipe_gets_the_same_number_of_images():
    table = SOURCE.table()
    for name in ("transitive", "tracking", "inter"):
        recipe = with_image_budget(get_recipe(name, "demo"), 2_000, SOURCE, seed=3)
        stream = ranking_batches(SOURCE, recipe, table, Links(table, SOURCE), 3, 0, Cursor())
        encoded = sum(len(batch.rows) for batch in islice(stream, recipe.iterations))
        assert encoded == pytest.approx(2_000, abs=recipe.ranked_per_step / 2)
        assert recipe.iterations > 2_000 / recipe.ranked_per_step  # patches are shared, so more steps are needed
    assert with_image_budget(get_recipe("multitask", "demo"), 2_000, SOURCE, seed=3).iterations > 1


def test_interval_is_students():
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-5)
    assert np.isnan(interval([1.0])[1])
    assert Comparison({"x": [{"health/pool5/auc": 0.5}]}, 1, "demo").markdown().count("0.500") == 1
