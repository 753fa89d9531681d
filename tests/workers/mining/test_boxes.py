"""Boxes are put on moving points, and need more of them where other points stand on the screen."""

import numpy as np
import pytest

from workers.mining.boxes import Area, place_boxes
from workers.mining.motion import Motion
from workers.mining.recipe import Mining

AREA = Area(0, 0, 300, 200)
MOVERS, STANDING = (150.0, 100.0), (110.0, 60.0)  # in one crop of 114, not in one core of 52


def motion(moving: int, overlay: int, standing: tuple[float, float] = STANDING) -> Motion:
    """`moving` points close together that go right, and `overlay` points that stand, over two lumas."""
    spread = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(-1, 2) * 3.0
    start = np.concatenate([MOVERS + spread[:moving], standing + spread[:overlay]]).astype(np.float32)
    moves = np.arange(len(start)) < moving
    net = np.where(moves[:, None], [5.0, 0.0], 0.0).astype(np.float32)
    return Motion(
        points=np.stack([start, start + net]),
        alive=np.ones((2, len(start)), bool),
        camera=np.eye(3)[None],
        inliers=np.ones(1, np.float32),
        net=net,
        moving=moves,
        backward=np.zeros((2, len(start)), np.float32),
        overlay=~moves,
    )


@pytest.mark.parametrize(
    ("moving", "overlay", "boxes"), [(5, 0, 0), (6, 0, 1), (6, 1, 0), (7, 4, 1), (7, 5, 0), (10, 16, 1), (10, 17, 0)]
)
def test_four_points_that_stand_ask_for_one_more_that_moves(moving: int, overlay: int, boxes: int) -> None:
    found = place_boxes(motion(moving, overlay), AREA, 114.0, 52.0, Mining())
    assert len(found) == boxes
    for box in found:
        assert box.members.sum() == moving


def test_what_stands_outside_the_crop_asks_for_nothing() -> None:
    assert len(place_boxes(motion(6, 20, standing=(10.0, 10.0)), AREA, 114.0, 52.0, Mining())) == 1
