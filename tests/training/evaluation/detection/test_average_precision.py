"""Tests of VOC 2007's average precision: cases computed by hand, and a second implementation on random detections."""

from pathlib import Path

import numpy as np
import pytest

from training.evaluation.detection.average_precision import Found, eleven_points, overlaps, voc07, voc07_interval
from training.evaluation.detection.dataset import Box, Labelled, labelled
from training.evaluation.detection.voc import read_voc


def picture(boxes: list[Box], difficult: list[bool] | None = None, label: int = 1) -> Labelled:
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]
    hard = difficult or [False] * len(boxes)
    return labelled("p", Path("p.jpg"), (100, 100), boxes, [label] * len(boxes), hard, areas)


def found(boxes: list[tuple[float, ...]], scores: list[float], label: int = 1) -> Found:
    shaped = np.array(boxes, np.float32).reshape(-1, 4)
    return Found(shaped, np.full(len(boxes), label), np.array(scores, np.float32))


A, B, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("truth", "detections", "expected"),
    [
        # both objects are found: precision 1 at all eleven recalls
        (picture([A, B]), found([A, B], [0.9, 0.8]), 1.0),
        # one of two is found: precision 1 at recalls 0 … 0.5, six of eleven
        (picture([A, B]), found([A], [0.9]), 6 / 11),
        # a false positive first: precision 1/2 up to recall 0.5, then 2/3, so interpolated 2/3 at all recalls
        (picture([A, B]), found([FAR, A, B], [0.9, 0.8, 0.7]), 2 / 3),
        # one object twice: the second detection is wrong, the third right; 1 up to 0.5, then 2/3
        (picture([A, B]), found([A, A, B], [0.9, 0.8, 0.7]), (6 + 5 * 2 / 3) / 11),
        # a difficult object counts neither as an object nor as a false positive
        (picture([A, B], [False, True]), found([B, A], [0.9, 0.8]), 1.0),
        # nothing found
        (picture([A]), found([], []), 0.0),
        # another class
        (picture([A]), found([A], [0.9], label=2), 0.0),
    ],
)
def test_hand_worked_cases(truth: Labelled, detections: Found, expected: float) -> None:
    assert voc07([truth], [detections], 1) == [pytest.approx(expected)]


def test_the_overlap_of_boxes_and_its_limit() -> None:
    assert overlaps(np.float32(A), np.float32([A, (5, 0, 15, 10), FAR])) == pytest.approx([1, 1 / 3, 0])
    half = found([(0, 0, 10, 5)], [0.9])
    less = found([(0, 0, 10, 4.9)], [0.9])
    assert voc07([picture([A])], [half], 1) == [1.0]
    assert voc07([picture([A])], [less], 1) == [0.0]


def test_the_interval_over_pictures_holds_the_measure_and_is_a_point_for_equal_pictures() -> None:
    good, bad = found([A], [0.9]), found([FAR], [0.9])
    truth = [picture([A])] * 10
    low, high = voc07_interval(truth, [good] * 5 + [bad] * 5, 1)
    assert 0 < low < voc07(truth, [good] * 5 + [bad] * 5, 1)[0] < high < 1
    assert voc07_interval(truth, [good] * 10, 1) == (1.0, 1.0)


def test_a_class_without_objects_has_no_average() -> None:
    assert np.isnan(voc07([picture([A])], [found([A], [0.9])], 2)[1])


def test_eleven_points_equal_a_loop_over_recalls() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        hits = generator.random(30) < 0.4
        positives = int(hits.sum()) + int(generator.integers(1, 10))
        total = 0.0
        for tenth in range(11):
            best = 0.0
            for end in range(1, 31):
                right = sum(hits[:end])
                if right * 10 >= tenth * positives:
                    best = max(best, right / end)
            total += best / 11
        assert eleven_points(hits, positives) == pytest.approx(total)


@pytest.mark.shared
def test_the_truth_itself_scores_one_and_a_second_implementation_agrees_on_voc(shared_data: Path) -> None:
    data = read_voc(shared_data / "detection" / "voc20_mini")
    perfect = [Found(one.boxes, one.labels, np.ones(len(one.labels), np.float32)) for one in data.test]
    assert np.nanmin(voc07(data.test, perfect, len(data.classes))) == 1.0
    generator = np.random.default_rng(0)
    noisy = []
    for one in data.test:
        boxes = np.repeat(one.boxes, 3, axis=0) + generator.normal(0, 25, (3 * len(one.boxes), 4)).astype(np.float32)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels = np.repeat(one.labels, 3)
        noisy.append(Found(boxes, labels, generator.permutation(len(labels)).astype(np.float32) + generator.random()))
    ours = voc07(data.test, noisy, len(data.classes))
    theirs = [second_implementation(data.test, noisy, label + 1) for label in range(len(data.classes))]
    assert ours == pytest.approx(theirs, nan_ok=True)
    assert 0 < np.nanmean(ours) < 1


def second_implementation(truth: list[Labelled], detections: list[Found], label: int) -> float:
    """Return the average precision by plain loops, object by object."""
    positives = sum(int(n) == label and not d for one in truth for n, d in zip(one.labels, one.ignored, strict=True))
    if positives == 0:
        return float("nan")
    listed = []
    for place, one in enumerate(detections):
        for box, name, score in zip(one.boxes, one.labels, one.scores, strict=True):
            if name == label:
                listed.append((score, place, box))
    listed.sort(key=lambda entry: -entry[0])
    used: set[tuple[int, int]] = set()
    right = wrong = 0
    curve = []
    for _, place, (x0, y0, x1, y1) in listed:
        best, which = 0.0, -1
        for index, (a0, b0, a1, b1) in enumerate(truth[place].boxes):
            if truth[place].labels[index] != label:
                continue
            inside = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            share = inside / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - inside)
            if share > best:
                best, which = share, index
        if best < 0.5:
            wrong += 1
        elif truth[place].ignored[which]:
            continue
        elif (place, which) in used:
            wrong += 1
        else:
            used.add((place, which))
            right += 1
        curve.append((right / positives, right / (right + wrong)))
    return sum(max((p for r, p in curve if r >= t / 10 - 1e-9), default=0.0) for t in range(11)) / 11
