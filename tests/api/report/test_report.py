"""Tests of the report: its numbers against plain loops, and its page."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from api.report.closeness import Track, Vectors, closer_share, gain, nearest
from api.report.curve import draw, read_losses
from api.report.facts import verdict


def random_world(seed: int) -> tuple[Vectors, list[Track]]:
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 12))
    ids = [f"{kind}{number}" for number in range(count) for kind in ("a", "b")]
    matrix = random.normal(size=(2 * count, 5)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    videos = [f"v{number % 3}" for number in range(count) for _ in ("a", "b")]
    tracks = [
        Track(f"a{number}", f"b{number}", int(random.integers(-1, 3)), bool(random.integers(0, 2)))
        for number in range(count)
    ]
    return Vectors(ids, videos, matrix), tracks


@pytest.mark.parametrize("seed", range(30))
def test_the_share_of_closer_ends_against_a_plain_loop(seed: int) -> None:
    vectors, tracks = random_world(seed)
    row = vectors.rows()
    known = [track for track in tracks if track.parent >= 0]
    tested = [track for track in known if track.held_out] or known
    kept_out = [track for track in known if track.held_out]
    others = kept_out if len({track.parent for track in kept_out}) > 1 else known
    wins = compared = 0
    for track in tested:
        for other in others:
            for patch in (other.start, other.end):
                if other.parent != track.parent:
                    a = vectors.matrix[row[track.start]]
                    wins += a @ vectors.matrix[row[track.end]] > a @ vectors.matrix[row[patch]]
                    compared += 1
    found = closer_share(vectors, tracks)
    assert found["comparisons"] == compared
    if compared:
        assert found["share"] == pytest.approx(wins / compared)
    else:
        assert "share" not in found


def test_a_perfect_and_a_blind_embedding() -> None:
    perfect = np.repeat(np.eye(4, dtype=np.float32), 2, axis=0)
    ids = [f"{kind}{number}" for number in range(4) for kind in ("a", "b")]
    tracks = [Track(f"a{number}", f"b{number}", number % 2, True) for number in range(4)]
    videos = [f"v{number}" for number in range(8)]
    assert closer_share(Vectors(ids, videos, perfect), tracks)["share"] == 1.0
    assert closer_share(Vectors(ids, videos, np.ones((8, 4), np.float32) / 2), tracks)["share"] == 0.5


def test_a_gain_is_the_mean_rise_of_a_track_with_an_interval_of_draws() -> None:
    vectors, tracks = random_world(3)
    assert gain(vectors, vectors, tracks) == {"gain": 0.0, "low": 0.0, "high": 0.0}
    count = 40
    ids = [f"{kind}{number}" for number in range(count) for kind in ("a", "b")]
    tracks = [Track(f"a{number}", f"b{number}", number % 2, True) for number in range(count)]
    perfect = Vectors(ids, ["v"] * 2 * count, np.repeat(np.eye(count, dtype=np.float32), 2, axis=0))
    blind = Vectors(ids, ["v"] * 2 * count, np.ones((2 * count, 1), np.float32))
    assert gain(blind, perfect, tracks) == {"gain": 0.5, "low": 0.5, "high": 0.5}
    random = np.random.default_rng(0).normal(size=(2 * count, 5)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    found = gain(blind, Vectors(ids, perfect.videos, random), tracks)
    assert found["low"] < 0 < found["high"]  # random vectors are no better than none
    assert found["low"] < found["gain"] < found["high"]
    assert gain(blind, perfect, tracks[:1]) == {}  # one parent: nothing to compare with


@pytest.mark.parametrize(
    ("rise", "words"),
    [
        ({"gain": 0.05, "low": 0.01, "high": 0.09}, r"\+5.0 points .* better by more than the interval"),
        ({"gain": -0.05, "low": -0.09, "high": -0.01}, "This training did harm"),
        ({"gain": 0.05, "low": -0.01, "high": 0.09}, "no change that can be distinguished from chance"),
        ({}, "is not known"),
    ],
)
def test_the_report_says_whether_something_held_out_got_better(rise: dict[str, float], words: str) -> None:
    assert re.search(words, verdict(rise, held_out=True))


def test_neighbours_are_of_other_videos_and_ordered_by_cosine() -> None:
    angles = np.deg2rad([0, 1, 10, 20, 30])
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    vectors = Vectors(list("abcde"), ["v", "v", "w", "w", "x"], matrix)
    assert nearest(vectors, "a", 2) == ["c", "d"]
    assert nearest(vectors, "a", 10) == ["c", "d", "e"]


def test_a_curve_is_a_named_svg_element_that_parses() -> None:
    assert draw([(10, 1.0)], "x") == ""
    svg = draw([(10, 2.0), (20, 1.0), (30, 1.5)], 'loss of "a" & b')
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert (root.get("role"), root.get("aria-label")) == ("img", 'loss of "a" & b')
    texts = [text for element in root.iter() if (text := (element.text or "").strip())]
    assert {"step", "loss", "1.0", "2.0"} <= set(texts)
    assert svg == draw([(10, 2.0), (20, 1.0), (30, 1.5)], 'loss of "a" & b')


def test_losses_are_read_up_to_a_line_cut_short(tmp_path: Path) -> None:
    assert read_losses(tmp_path) == []
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n{"step": 3, "lo')
    assert read_losses(tmp_path) == [(1, 0.5), (2, 0.25)]
